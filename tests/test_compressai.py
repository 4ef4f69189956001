"""Models in CompressAI's interface, and CompressAI's evaluation program on them, as it is installed."""

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hvqcgic.codec import Codec, load
from hvqcgic.errors import ConfigError, KindError, ModelError, UnknownOption
from hvqcgic.pictures import read_picture
from tests.random_model import random_picture

pytest.importorskip("compressai", reason="compressai, of the extra train, is not installed")

from hvqcgic.compressai import ARCHITECTURE, HvqCgic

ROOT = Path(__file__).parents[1]
SHARES = (0.3, 0.4, 0.3)
SIDE = 192
"""A multiple of 64, to which CompressAI's program pads; its MS-SSIM takes at least 161."""


def batch_of(*pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def bits_of(likelihoods: dict[str, Tensor]) -> float:
    return sum(float(-values.double().log2().sum()) for values in likelihoods.values())


@pytest.fixture
def model(tiny_model_path: Path) -> HvqCgic:
    return HvqCgic(tiny_model_path, ratios=SHARES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, one of which CompressAI's program pads with black, which it puts on all sides."""
    (tmp_path / "in").mkdir()
    for seed, width in enumerate((SIDE, SIDE + 23)):
        Image.fromarray(random_picture(width, SIDE, seed=seed)).save(tmp_path / f"in/{seed}.png")
    return tmp_path / "in"


def padded(path: Path) -> np.ndarray:
    from compressai.ops import compute_padding

    pixels = read_picture(path)
    (left, right, top, bottom), _ = compute_padding(*pixels.shape[:2], min_div=64)
    return np.pad(pixels, ((top, bottom), (left, right), (0, 0)))


def evaluate(*arguments: str | Path) -> dict[str, Any]:
    """Call the program as documented; what it prints on standard output."""
    run = subprocess.run(
        [sys.executable, "-m", "hvqcgic.compressai", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)["results"]


def mean_bpp(folder: Path, bits: Callable[[Path], float]) -> float:
    paths = sorted(folder.iterdir())
    return sum(bits(path) / read_picture(path)[..., 0].size for path in paths) / len(paths)


def test_strings_are_our_files(model: HvqCgic, codec: Codec) -> None:
    pictures = [random_picture(70, 45, seed=seed) for seed in (1, 2)]
    coded = model.compress(batch_of(*pictures))
    assert coded["strings"] == [[codec.compress(each, ratios=SHARES) for each in pictures]]
    assert coded["shape"] == (45, 70)
    x_hat = model.decompress(**coded)["x_hat"]
    decoded = [np.asarray(codec.decompress(data)) for data in coded["strings"][0]]
    assert torch.equal(x_hat, batch_of(*decoded))
    assert torch.equal(model(batch_of(*pictures))["x_hat"], x_hat)


@pytest.mark.parametrize("which", ["codec", "prior_reading_codec"])
def test_likelihoods_are_those_of_the_range_coder(which: str, request: pytest.FixtureRequest) -> None:
    codec: Codec = request.getfixturevalue(which)
    pixels = random_picture(70, 45, seed=3)
    encoded = codec.encode(pixels, ratios=SHARES)
    written = codec.write(encoded)
    model = HvqCgic(request.getfixturevalue("tiny_model_path"), ratios=SHARES)
    model._codec = codec
    likelihoods = model(batch_of(pixels))["likelihoods"]
    for name, values in likelihoods.items():
        assert bits_of({name: values}) == pytest.approx(written.parts[name], rel=1e-5)
        assert ((values > 0) & (values <= 1)).all()
    assert bits_of(likelihoods) == pytest.approx(written.estimated_bits, rel=1e-5)
    assert {g: len(likelihoods[g]) for g in encoded.indices} == {g: len(own) for g, own in encoded.indices.items()}


def test_another_process_decodes(model: HvqCgic, tiny_model_path: Path, tmp_path: Path) -> None:
    coded = model.compress(batch_of(random_picture(70, 45, seed=1)))
    (tmp_path / "coded").write_bytes(pickle.dumps((coded["strings"], tuple(coded["shape"]))))
    program = (
        "import pickle, sys, numpy; from hvqcgic.compressai import HvqCgic\n"
        "strings, shape = pickle.loads(open(sys.argv[1], 'rb').read())\n"
        "numpy.save(sys.argv[3], HvqCgic(sys.argv[2]).decompress(strings, shape)['x_hat'].numpy())"
    )
    paths = map(str, (tmp_path / "coded", tiny_model_path, tmp_path / "x_hat.npy"))
    subprocess.run([sys.executable, "-c", program, *paths], cwd=ROOT, check=True)
    assert np.array_equal(np.load(tmp_path / "x_hat.npy"), model.decompress(**coded)["x_hat"].numpy())


def test_a_state_is_the_model_and_its_operating_point(model: HvqCgic, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "model.pth")
    again = HvqCgic.from_state_dict(torch.load(tmp_path / "model.pth"))
    assert again.choices == model.choices
    assert again.codec.fingerprint == model.codec.fingerprint
    x = batch_of(random_picture(70, 45, seed=1))
    assert again.compress(x) == model.compress(x)
    assert not again.update(force=True)


def test_half_precision_changes_the_type_of_results_alone(model: HvqCgic) -> None:
    x = batch_of(random_picture(70, 45, seed=1))
    files = model.compress(x)["strings"]
    half = model.half()
    assert half.compress(x.half())["strings"] == files
    assert half(x.half())["x_hat"].dtype == torch.float16


def test_refusals(model: HvqCgic) -> None:
    from compressai.zoo import image_models

    x = batch_of(random_picture(70, 45, seed=1))
    with pytest.raises(UnknownOption, match="unknown option 'coding'"):
        HvqCgic(coding="zip")  # pyright: ignore[reportCallIssue]
    with pytest.raises(ConfigError, match="quality 9 is unknown; give 1"):
        image_models["hvqcgic-tiny"](quality=9)
    with pytest.raises(ConfigError, match="metric 'ms-ssim'"):
        image_models["hvqcgic-tiny"](quality=1, metric="ms-ssim")
    with pytest.raises(ConfigError, match="use pretrained=True"):
        image_models["hvqcgic-tiny"](quality=1, pretrained=False)
    with pytest.raises(KindError, match=r"\(3, 45, 70\) is no batch"):
        model.compress(x[0])
    with pytest.raises(KindError, match=r"shape \(45, 71\): a file holds a picture of 45 x 70"):
        model.decompress(model.compress(x)["strings"], (45, 71))
    with pytest.raises(KindError, match="2 lists of strings"):
        model.decompress([[b""], [b""]], (45, 70))
    with pytest.raises(ModelError, match="no 'model_file'"):
        HvqCgic.from_state_dict({"g_a.weight": torch.zeros(1)})


def test_compressais_program_measures_our_files(folder: Path) -> None:
    found = evaluate("pretrained", folder, "-a", "hvqcgic-tiny", "-q", "3,6")
    codec = load("tiny", device="cpu")
    for bpp, quality in zip(found["bpp"], (3, 6), strict=True):

        def bits(path: Path, place: float = (quality - 1) / 7) -> float:
            return 8 * len(codec.compress(padded(path), quality=100 * place))

        assert bpp == pytest.approx(mean_bpp(folder, bits), rel=1e-12)
    assert found["psnr-rgb"] == sorted(found["psnr-rgb"])


def test_compressais_program_estimates_our_bits(folder: Path, model: HvqCgic, codec: Codec, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "model.pth")
    found = evaluate("checkpoint", folder, "-a", ARCHITECTURE, "--entropy-estimation", "-p", tmp_path / "model.pth")

    def bits(path: Path) -> float:
        return codec.write(codec.encode(path, ratios=SHARES)).estimated_bits

    assert found["bpp"] == [pytest.approx(mean_bpp(folder, bits), rel=1e-5)]
    assert math.isfinite(found["psnr-rgb"][0])


def test_a_refusal_of_the_program_is_one_line(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "hvqcgic.compressai", "pretrained", folder, "-a", "hvqcgic-tiny", "-q", "9"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "hvqcgic: quality 9 is unknown; give 1 (all cells coarse) to 8 (all cells fine)\n"


def test_without_compressai_one_line_names_the_extra() -> None:
    program = (
        "import runpy, sys; sys.modules['compressai'] = None\n"
        "runpy.run_module('hvqcgic.compressai', run_name='__main__', alter_sys=True)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        "hvqcgic: hvqcgic.compressai needs compressai, which is not installed: pip install 'hvqcgic[train]'\n"
    )
