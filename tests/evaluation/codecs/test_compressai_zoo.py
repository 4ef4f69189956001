"""CompressAI's zoo: real bytes with any weights, and one line where there are none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hvqcgic.evaluation.codecs import CodecUnavailable, all_codecs
from hvqcgic.perceptual.torchvision_shim import import_torchvision
from tests.random_model import random_picture

PICTURE = random_picture(75, 50, seed=2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weight files under their published names, as they are published, but random."""
    import_torchvision()
    from compressai.zoo.image import cfgs, model_architectures, model_urls

    folder = tmp_path_factory.mktemp("zoo")
    for name in ("bmshj2018-hyperprior", "mbt2018-mean", "cheng2020-anchor"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network: Any = model_architectures[name](*cfgs[name][1])
        with torch.no_grad():
            # Wider latents than those of random weights, which all round to zero.
            for parameter in network.g_a[-1].parameters():
                parameter.mul_(30)
        network.update(force=True)
        torch.save(network.state_dict(), folder / model_urls[name]["mse"][1].rpartition("/")[2])
    return folder


@pytest.mark.parametrize("name", ["bmshj2018-hyperprior", "mbt2018-mean", "cheng2020-anchor"])
def test_files_decode_to_what_the_network_reconstructs(weights: Path, name: str) -> None:
    codec = all_codecs()[name](str(weights), "quality=1")
    data = codec.encode(PICTURE)
    assert len(data) > 200
    decoded = codec.decode(data)
    assert decoded.shape == PICTURE.shape
    network: Any = codec._network  # pyright: ignore[reportAttributeAccessIssue]
    x = torch.nn.functional.pad(
        torch.from_numpy(PICTURE).permute(2, 0, 1)[None].float() / 255, (0, 53, 0, 14), mode="replicate"
    )
    with torch.inference_mode():
        coded = network.compress(x)
        expected = network.decompress(coded["strings"], coded["shape"])["x_hat"][0, :, :50, :75].clamp(0, 1)
    assert np.array_equal(decoded, (expected * 255).round().byte().permute(1, 2, 0).numpy())
    assert len(data) == sum(len(streams[0]) for streams in coded["strings"]) + 1 + 1 + 2


def test_without_weights_there_is_one_line_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no net here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    kind = all_codecs()["mbt2018-mean"]
    with pytest.raises(CodecUnavailable) as caught:
        kind("", "quality=3")
    for part in ("mbt2018-mean-3-723404a8.pth.tar", str(tmp_path), "no net here", "mbt2018-mean:FOLDER"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_the_file_is_named(weights: Path) -> None:
    with pytest.raises(CodecUnavailable, match=r"bmshj2018-hyperprior-2-93677231\.pth\.tar; they are published at"):
        all_codecs()["bmshj2018-hyperprior"](str(weights), "quality=2")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mbt2018-mean-1-e522738d.pth.tar"
    path.write_bytes(b"no weights")
    codec = all_codecs()["mbt2018-mean"](str(tmp_path), "quality=1")
    with pytest.raises(CodecUnavailable, match=r"e522738d\.pth\.tar: not usable as weights of mbt2018-mean"):
        codec.encode(PICTURE)
