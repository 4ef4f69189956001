"""The moving average of weights: what it is, and that validation, files, export and starts take it."""

from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import nn

from hvqcgic import export
from hvqcgic.codec.codec import Codec, load
from hvqcgic.training.average import WeightAverage, weights_of
from hvqcgic.training.closing import StageResult, closing_rows
from hvqcgic.training.export import freeze_model, load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.stages import Machine, run_stage
from hvqcgic.training.starts import load_weights
from hvqcgic.training.validation import measure
from tests.random_model import small_config
from tests.training.small_training import Pictures, module, saved, settings, squared, write_checkpoint


@pytest.mark.parametrize("decay", [0.3, 0.99])
def test_it_is_the_recursion_with_a_decay_that_rises_to_its_value(decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(5, generator=generator))
    average, expected = WeightAverage(decay), weight.detach().double()
    average.start({"w": weight})
    for n in range(30):
        weight.data = torch.randn(5, generator=generator)
        average.update({"w": weight})
        kept = min(decay, (1 + n) / (10 + n))
        expected = kept * expected + (1 - kept) * weight.detach().double()
    with average.in_place_of({"w": weight}):
        assert torch.allclose(weight.detach().double(), expected, atol=1e-6)


def test_weights_are_back_to_the_last_bit_after_it_stood_in_their_place() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 3.0]))
    average = WeightAverage(0.5)
    average.start({"w": weight})
    weight.data = torch.tensor([2.0, 1 / 3])
    with suppress(KeyboardInterrupt), average.in_place_of({"w": weight}):
        assert weight.tolist() == [1.0, 3.0]
        raise KeyboardInterrupt
    assert weight.tolist() == torch.tensor([2.0, 1 / 3]).tolist()
    assert average.state_dict()["weights"]["w"].tolist() == [1.0, 3.0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path) -> StageResult:
    """Stage joint with an average, a discriminator and real files."""
    options = settings(ema_decay=0.9, learning_rate=1e-2, adversarial_weight=0.5, file_pictures=1)
    machine = Machine(tmp_path_factory.mktemp("run"), "cpu")
    result = run_stage(module("joint", options), Pictures(picture_folder), machine)
    assert result is not None
    return result


def test_a_checkpoint_holds_an_average_of_all_that_an_optimiser_trains_but_the_discriminator(
    trained: StageResult,
) -> None:
    checkpoint = saved(trained.checkpoint)
    averages = checkpoint["average"]["weights"]
    assert checkpoint["average"]["updates"] == 6
    parameters = dict(load_module(trained.checkpoint).named_parameters())
    left_out = {name.split(".")[0] for name in parameters.keys() - averages.keys() if "quantiles" not in name}
    assert left_out == {"discriminator"}
    assert averages.keys() <= parameters.keys()
    moved = [name for name, value in averages.items() if not torch.equal(value, checkpoint["state_dict"][name])]
    assert {"model.encoder.stem.weight", "model.prior.log_prior"} <= set(moved)
    assert weights_of(checkpoint, raw=True).keys() == checkpoint["state_dict"].keys() == weights_of(checkpoint).keys()


@pytest.mark.parametrize(("raw", "group"), [(False, "val"), (True, "val_raw")])
def test_validation_measures_both(trained: StageResult, picture_folder: Path, raw: bool, group: str) -> None:
    pictures = Pictures(picture_folder)
    pictures.setup()
    found = load_module(trained.checkpoint, raw=raw)
    ratios = found.model.config.default_ratios
    expected = measure(found.model, found.priors, pictures.validation[0], ratios, perceptual=squared)
    assert trained.metrics[f"{group}/psnr_db"] == pytest.approx(expected.psnr_db, abs=1e-4)
    assert trained.metrics[f"{group}/lpips"] == pytest.approx(expected.lpips, rel=1e-4)
    assert trained.metrics["val/psnr_db"] != trained.metrics["val_raw/psnr_db"]
    row = closing_rows([trained])[1 if raw else 0]
    assert row.name == ("the same, not averaged" if raw else "stage joint")
    assert row.psnr_db == trained.metrics[f"{group}/psnr_db"]


def test_real_files_are_of_the_average(trained: StageResult, picture_folder: Path) -> None:
    pictures = Pictures(picture_folder)
    pictures.setup()
    pixels = (pictures.validation[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    found = load_module(trained.checkpoint)
    codec = Codec(freeze_model(found.model, found.priors), torch.device("cpu"))
    bits = 8 * len(codec.write(codec.encode(pixels)).data)
    assert trained.metrics["file/adaptive_bpp"] == pytest.approx(bits / pixels[..., 0].size, abs=1e-6)


def test_export_freezes_the_average_unless_asked_for_the_weights_themselves(
    trained: StageResult, picture_folder: Path, tmp_path: Path
) -> None:
    fingerprints = []
    for name, options in (("average", []), ("raw", ["--raw"])):
        output = tmp_path / f"{name}.safetensors"
        given = [str(trained.checkpoint), "-o", str(output), "--val", str(picture_folder), "--name", "small", *options]
        assert export.main(given) == 0
        fingerprints.append(load(output, device="cpu").fingerprint)
    wanted = [load_module(trained.checkpoint, raw=raw) for raw in (False, True)]
    assert fingerprints == [freeze_model(m.model, m.priors, name="small").fingerprint for m in wanted]
    assert fingerprints[0] != fingerprints[1]


def test_a_training_starts_from_the_average(trained: StageResult) -> None:
    found = module("joint", settings())
    load_weights(found, [trained.checkpoint])
    expected = load_module(trained.checkpoint).state_dict()
    for name, value in found.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("start", ["resumed", "thawed"])
def test_without_an_average_to_go_on_from_it_begins_at_the_weights(
    picture_folder: Path, tmp_path: Path, tiny_model_path: Path, start: str
) -> None:
    still = {"learning_rate": 0.0, "entropy_learning_rate": 0.0}
    machine = Machine(tmp_path, "cpu", resume=True)
    if start == "resumed":
        run_stage(module("joint", settings(steps=1, **still)), Pictures(picture_folder), machine)
        assert "average" not in saved(tmp_path / "joint.ckpt")
    made = HvqModule(small_config(), settings(steps=2, ema_decay=0.9, **still), "joint", None)
    given = [tiny_model_path] if start == "thawed" else []
    run_stage(made, Pictures(picture_folder), machine, start=given)
    checkpoint = saved(tmp_path / "joint.ckpt")
    assert checkpoint["average"]["weights"]
    for name, value in checkpoint["average"]["weights"].items():
        assert torch.allclose(value, checkpoint["state_dict"][name], rtol=1e-6, atol=0), name


def test_a_checkpoint_of_before_there_was_an_average_loads_as_it_is(tmp_path: Path) -> None:
    source = module("joint", settings())
    write_checkpoint(tmp_path / "old.ckpt", source, "joint")
    for raw in (False, True):
        state = load_module(tmp_path / "old.ckpt", raw=raw).state_dict()
        assert all(torch.equal(value, source.state_dict()[name]) for name, value in state.items())
