"""Freezing: what it refuses, and that integers cost next to nothing against the float model."""

import dataclasses
import json
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save

import hvqcgic
from hvqcgic import export
from hvqcgic.codec.codec import Codec
from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.index_priors import FORMS
from hvqcgic.model_files.frozen_model import FrozenModel
from hvqcgic.models import MeansConfig
from hvqcgic.models.granularity import granularity_map, pad_to_cells
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.export import (
    check_half_precision,
    freeze_model,
    half_precision_cost_db,
    hyper_latent_pmf,
    load_module,
    pictures_to_check,
)
from hvqcgic.training.module import HvqModule
from hvqcgic.training.rate import estimate_rate
from tests.random_model import RandomModel, random_model, random_picture, small_config


@pytest.fixture(scope="module")
def random() -> RandomModel:
    return random_model()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a training leaves it, of a model with random weights."""
    source = random_model()
    module = HvqModule(source.model.config, TrainingConfig(), "joint", None)
    module.model.load_state_dict(source.model.state_dict())
    module.priors.load_state_dict(source.priors.state_dict())
    trainer = lightning.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    trainer.save_checkpoint(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(random_picture(64, 48, seed=1)).save(folder / "x.png")
    return folder


def to_float(width: int, height: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(random_picture(width, height, seed=seed)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("form", FORMS)
def test_real_files_take_the_float_models_bits(form: str) -> None:
    """Within half a per cent and 28 bytes, of which the map is no part: the float model does not predict it."""
    random = random_model(small_config(form=form))
    model, ratios = random.model, (0.5, 0.4, 0.1)
    picture = to_float(320, 240, seed=2)
    padded = pad_to_cells(picture[None])
    masks = granularity_map(padded, [ratios], model.config.entropy_sigma)
    with torch.no_grad():
        # The codec's own features, as other ones may fall to other codes: float16 is measured by itself.
        codec = Codec(random.freeze(), torch.device("cpu"))
        model.load_state_dict(codec.networks.state_dict(), strict=False)
        features = model.encoder(padded)
        rate = estimate_rate(model, random.priors, features, masks, model.quantise(features, masks))
    written = codec.write(codec.encode(random_picture(320, 240, seed=2), ratios=ratios))
    estimated = float(rate.index_bits + rate.z_bits)
    real = 8 * len(written.data) - written.parts["map"]
    assert real == pytest.approx(estimated, rel=5e-3, abs=8 * 28)
    assert sum(written.parts[g] for g in ("coarse", "medium", "fine")) == pytest.approx(
        float(rate.index_bits), rel=5e-3
    )
    assert written.parts["z"] == pytest.approx(float(rate.z_bits), rel=5e-3, abs=1)


def test_a_hyper_latents_probabilities_are_those_of_training(random: RandomModel) -> None:
    pmf = hyper_latent_pmf(random.priors, "fine", 2, 31)
    assert pmf.shape == (2, 63)
    assert pmf.sum(1) == pytest.approx(1)
    bits = random.priors.bits("fine", torch.full((1, 2, 1, 1), 1.0))
    assert -np.log2(pmf[:, 32]) == pytest.approx(bits.detach().numpy().ravel(), abs=0.01)


def test_a_codebook_that_never_started_is_refused() -> None:
    random = random_model()
    random.model.quantiser.initialised.fill_(False)
    with pytest.raises(ModelError, match="codebook was never started; train stage backbone first"):
        random.freeze()


@pytest.mark.parametrize("value", [1e9, float("nan")])
def test_a_network_that_could_leave_the_exact_range_is_refused_by_its_layer(value: float) -> None:
    random = random_model()
    with torch.no_grad():
        weight = random.model.context["fine_2"][2].convolution.weight  # pyright: ignore
        weight[0, 0, 0, 0] = value
    with pytest.raises(ModelError, match=r"context\.fine/2\.conv1"):
        random.freeze()


def test_a_map_coder_that_is_missing_is_one_error(
    random: RandomModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hvqcgic.training.bundled_tables.resources.files", lambda name: tmp_path)
    with pytest.raises(ModelError, match=r"map-coder\.bin: cannot be read"):
        random.freeze()


def test_local_means_without_a_table_are_one_error() -> None:
    config = dataclasses.replace(small_config(), means=MeansConfig(luma_step=11))
    with pytest.raises(ModelError, match="no table for 32-11-6; use one of 32-10-6, 64-10-6"):
        random_model(config).freeze()


@pytest.mark.parametrize("decoder_prior", [False, True])
def test_float16_costs_little(decoder_prior: bool) -> None:
    random = random_model(small_config(decoder_prior=decoder_prior))
    pictures = [to_float(96, 64, seed) for seed in (1, 2)]
    cost = half_precision_cost_db(random.model, random.priors, random.freeze(), pictures)
    assert cost == check_half_precision(random.model, random.priors, random.freeze(), pictures)
    assert abs(cost) < 0.02
    assert cost != 0


@pytest.mark.parametrize("value", [0.3, float("nan")])
def test_float16_that_costs_too_much_is_refused(random: RandomModel, value: float) -> None:
    frozen = random.freeze("coarse")
    changed = {"decoder.to_picture.bias": frozen.networks["decoder.to_picture.bias"] + np.float16(value)}
    worse: FrozenModel = dataclasses.replace(frozen, networks=frozen.networks | changed)
    dark = [torch.zeros(3, 32, 32)]
    with pytest.raises(ModelError, match=r"model coarse: float16 weights cost .* dB, over the limit of 0\.02 dB"):
        check_half_precision(random.model, random.priors, worse, dark)


def test_pictures_to_check(pictures: Path, tmp_path: Path) -> None:
    embedded = pictures_to_check(None, 3)
    assert [picture.shape[0] for picture in embedded] == [3, 3, 3]
    [own] = pictures_to_check(str(pictures))
    assert torch.equal(own, to_float(64, 48, seed=1))
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="none: no pictures there"):
        pictures_to_check(str(tmp_path / "none"))


def test_a_checkpoint_gives_its_module_back(random: RandomModel, checkpoint: Path) -> None:
    module = load_module(checkpoint)
    assert not module.training
    assert module.model.config == random.model.config
    frozen = freeze_model(module.model, module.priors)
    assert frozen.fingerprint == random.freeze().fingerprint


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = export.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_checkpoint_becomes_a_model_file(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    card, output = tmp_path / "card.json", tmp_path / "mine.safetensors"
    card.write_text(json.dumps({"data": "random numbers"}))
    code, out, err = run(capsys, checkpoint, "-o", output, "--val", pictures, "--card", card)
    assert (code, err) == (0, "")
    codec = hvqcgic.load(output, device="cpu")
    assert (codec.name, codec.card["data"]) == ("mine", "random numbers")
    assert out.startswith(
        f"{output}: {output.stat().st_size} bytes, fingerprint {codec.fingerprint.hex()}, float16 costs"
    )
    code, _, err = run(capsys, checkpoint, "-o", output, "--val", pictures)
    assert (code, err) == (2, f"hvqcgic.export: {output}: exists already; --force overwrites it\n")
    code, _, err = run(capsys, checkpoint, "-o", output, "--val", pictures, "--force", "--name", "other")
    assert (code, err) == (0, "")
    assert hvqcgic.load(output, device="cpu").name == "other"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.ckpt", None),
        ("empty.ckpt", b""),
        ("text.ckpt", b"This is a text file.\n"),
        ("zip.ckpt", b"PK\x03\x04 and nothing else"),
        ("pickle.ckpt", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n."),
        ("model.safetensors", save({"x": np.zeros(2)})),
    ],
)
def test_what_is_no_checkpoint_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    check_refusal(run(capsys, tmp_path / name, "-o", tmp_path / "x.safetensors"), name, tmp_path / "x.safetensors")


def test_a_cut_or_foreign_checkpoint_is_one_line(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "x.safetensors"
    content = checkpoint.read_bytes()
    path = tmp_path / "bad.ckpt"
    path.write_bytes(content[: len(content) // 2])
    check_refusal(run(capsys, path, "-o", output), "bad.ckpt", output)
    whole = torch.load(checkpoint, weights_only=True)
    for key in ("state_dict", "hyper_parameters"):
        torch.save({name: value for name, value in whole.items() if name != key}, path)
        check_refusal(run(capsys, path, "-o", output), "bad.ckpt", output)
    torch.save([1, 2], path)
    check_refusal(run(capsys, path, "-o", output), "bad.ckpt", output)


@pytest.mark.parametrize("content", [None, b"{", b"[1, 2]", b"\xff\xfe"])
def test_a_bad_card_is_one_line(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, tmp_path: Path, content: bytes | None
) -> None:
    card, output = tmp_path / "card.json", tmp_path / "x.safetensors"
    if content is not None:
        card.write_bytes(content)
    check_refusal(run(capsys, checkpoint, "-o", output, "--card", card), "card.json: the card ", output)


def test_other_refusals_are_one_line(capsys: pytest.CaptureFixture[str], checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.safetensors"
    check_refusal(run(capsys, checkpoint, "-o", output, "--val", tmp_path / "nowhere"), "nowhere", output)
    (tmp_path / "file").touch()
    inside = tmp_path / "file" / "x.safetensors"
    check_refusal(run(capsys, checkpoint, "-o", inside, "--val", tmp_path / "nowhere"), "file", inside)
    raw = tmp_path / "raw.ckpt"
    whole = torch.load(checkpoint, weights_only=True)
    whole["state_dict"]["model.quantiser.initialised"] = torch.tensor(False)
    torch.save(whole, raw)
    check_refusal(run(capsys, raw, "-o", output), "codebook was never started", output)


def check_refusal(result: tuple[int, str, str], words: str, output: Path) -> None:
    code, out, err = result
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith("hvqcgic.export: ")
    assert words in line
    assert not output.exists()
