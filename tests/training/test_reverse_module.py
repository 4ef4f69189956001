"""Stage reverse: what it trains, what it leaves alone, what it refuses."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from hvqcgic.errors import ConfigError
from hvqcgic.model_files.frozen_model import write_model
from hvqcgic.models import MeansConfig
from hvqcgic.models.reverse_path import ReverseConfig
from hvqcgic.training import cli
from hvqcgic.training.callbacks import StopAtStep
from hvqcgic.training.reverse_module import SHOWN_STEPS, ReverseModule
from hvqcgic.training.starts import frozen_model, load_network
from hvqcgic.training.validation import measure
from tests.random_model import random_model, random_picture, small_config
from tests.training.small_training import saved, settings, squared

SMALL: dict[str, Any] = {"widths": (8, 8, 8), "blocks": (0, 0, 1), "hint_channels": 2}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    write_model(random_model().freeze(), path)
    return path


def module(**training: Any) -> ReverseModule:
    torch.manual_seed(0)
    return ReverseModule(random_model().model, b"12345678", ReverseConfig(**SMALL), settings(**training), squared)


def batch() -> torch.Tensor:
    return (
        torch.stack([torch.from_numpy(random_picture(64, 64, seed=s)).permute(2, 0, 1) for s in (0, 1)]).float() / 255
    )


def arguments(model_file: Path, pictures: Path, out: Path, **options: Any) -> list[str]:
    values: dict[str, Any] = {
        "training.steps": 6,
        "training.lpips_start": 2,
        "training.texture_weight": 0.1,
        "training.adversarial_weight": 0.1,
        "training.adversarial_start": 4,
        "training.validate_every": 3,
        "training.validation_pictures": 1,
        "pictures.crop_px": 64,
        "pictures.batch_size": 2,
        "pictures.val_pictures": 1,
        "reverse.widths": "[8, 8, 8]",
        "reverse.blocks": "[0, 0, 1]",
        "perceptual": "none",
        "accelerator": "cpu",
        "data": pictures,
        "init": model_file,
    } | options
    named = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    return ["--stage", "reverse", "--out", str(out), *named]


def test_the_command_trains_behind_a_frozen_model_and_resumes_on_the_same_way(
    model_file: Path, picture_folder: Path, tmp_path: Path
) -> None:
    assert cli.main(arguments(model_file, picture_folder, tmp_path / "whole")) == 0
    whole = saved(tmp_path / "whole/reverse.ckpt")
    assert not any(name.startswith("model.") for name in whole["state_dict"])
    assert whole["hyper_parameters"]["fingerprint"] == random_model().freeze().fingerprint.hex()
    parts = arguments(model_file, picture_folder, tmp_path / "parts", save_every=4)
    cli.run_training(cli.parse_options(parts), callbacks=[StopAtStep(4)])
    assert saved(tmp_path / "parts/reverse.ckpt")["step_index"] == 4
    assert cli.main([*parts, "--resume", "true"]) == 0
    again = saved(tmp_path / "parts/reverse.ckpt")["state_dict"]
    assert all(torch.equal(value, again[name]) for name, value in whole["state_dict"].items())


def test_it_trains_in_half_precision(model_file: Path, picture_folder: Path, tmp_path: Path) -> None:
    assert cli.main(arguments(model_file, picture_folder, tmp_path, precision="bf16-mixed")) == 0
    weights = saved(tmp_path / "reverse.ckpt")["state_dict"]
    assert all(bool(value.isfinite().all()) for value in weights.values() if value.is_floating_point())


def test_training_on_the_path_brings_features_nearer_to_the_true_ones() -> None:
    made = module(lpips_start=1000)
    seen = made.see(batch(), made.masks(batch(), made.generator()))
    made.calibrate(seen)
    known = made.reverse.known(seen.codes, seen.mean, seen.deviation, seen.masks)
    optimiser = torch.optim.Adam(made.reverse.parameters(), 0.01)
    before = float(((known.start - seen.clean) / known.level).square().mean())
    for _ in range(60):
        optimiser.zero_grad()
        made.features_loss(seen.clean, known).backward()
        optimiser.step()
    for steps in SHOWN_STEPS[1:]:
        found = made.estimate(known, steps, randomness=0.0).features
        assert float(((found - seen.clean) / known.level).square().mean().detach()) < 0.8 * before


def test_statistics_of_the_path_are_those_of_its_cells() -> None:
    made = module()
    seen = made.see(batch(), made.masks(batch(), made.generator()))
    made.calibrate(seen)
    fine = seen.masks.fine.expand_as(seen.clean)
    wanted = (seen.codes["fine"] - seen.clean)[fine].square().mean().sqrt()
    assert float(made.reverse.deviation[2]) == pytest.approx(float(wanted), rel=1e-5)
    coarse = (seen.codes["coarse"].repeat_interleave(4, 2).repeat_interleave(4, 3) - seen.clean).square().mean(1)
    cells = seen.masks.coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)[:, 0]
    assert float(made.reverse.deviation[0]) == pytest.approx(float(coarse[cells].mean().sqrt()), rel=1e-5)
    assert float(made.reverse.spread[1]) == pytest.approx(
        float(seen.deviation["medium"][seen.masks.medium.expand_as(seen.deviation["medium"])].square().mean().sqrt()),
        rel=1e-5,
    )


@pytest.mark.parametrize("means", [None, MeansConfig()])
def test_pictures_start_as_those_of_the_models_own_decoder(means: MeansConfig | None) -> None:
    made = module()
    if means is not None:
        behind = random_model(dataclasses.replace(small_config(), means=means)).model
        made = ReverseModule(behind, b"12345678", ReverseConfig(**SMALL), settings(), None)
    picture = torch.from_numpy(random_picture(72, 64, seed=4)).permute(2, 0, 1).float() / 255
    found = made.measure(picture)
    assert all(torch.allclose(decoded, found.decoded[0], atol=1e-5) for decoded in found.decoded)


def test_lpips_of_validation_is_in_full_precision_in_a_training_in_bfloat16() -> None:
    seen: list[bool] = []

    def lpips(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append(torch.is_autocast_enabled("cpu"))
        return squared(x, y)

    behind = random_model(small_config()).model
    made = ReverseModule(behind, b"12345678", ReverseConfig(**SMALL), settings(), lpips)
    with torch.autocast("cpu", torch.bfloat16):
        made.measure(torch.from_numpy(random_picture(32, 32, seed=4)).permute(2, 0, 1).float() / 255)
    assert seen
    assert not any(seen)


def test_no_steps_back_are_the_plain_decoder_and_the_frozen_model_is_not_trained() -> None:
    made = module()
    picture = torch.from_numpy(random_picture(72, 64, seed=4)).permute(2, 0, 1).float() / 255
    found = made.measure(picture)
    plain = measure(made.model, None, picture, made.model.config.default_ratios, perceptual=None)
    assert torch.equal(found.decoded[0], plain.decoded)
    assert found.psnr_db[0] == plain.psnr_db
    assert not any(weight.requires_grad for weight in made.model.parameters())
    trained = {id(weight) for group in made.groups() for weight in group["params"]}
    assert trained == {id(weight) for weight in made.reverse.parameters()}


def test_what_it_cannot_stand_behind_is_refused(
    model_file: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="no --init: it needs a frozen model"):
        frozen_model([], "reverse")
    behind = random_model(small_config(decoder_prior=True)).model
    with pytest.raises(ConfigError, match="needs this project's decoder, without decoder_prior"):
        ReverseModule(behind, b"12345678", ReverseConfig(**SMALL), settings(), None)
    assert cli.main(arguments(model_file, picture_folder, tmp_path / "one", **{"training.steps": 1})) == 0
    with pytest.raises(ConfigError, match="no checkpoint of stage reverse behind this model"):
        load_network(module(), [tmp_path / "one/reverse.ckpt"])
    capsys.readouterr()
    assert cli.main(arguments(tmp_path / "one/reverse.ckpt", picture_folder, tmp_path / "two")) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_second_network_joins_the_loss_and_not_the_measure() -> None:
    made = module(lpips_start=0)
    made.add_perceptual(lambda x, y: 3 * squared(x, y))
    found = made.perceptual
    assert found is not None
    decoded = batch().flip(0)
    # The networks take the pictures of a batch in turns.
    factors = torch.tensor([1.0, 3.0])
    assert torch.allclose(found(decoded, batch()), factors * squared(decoded, batch()))
    made.step_index = 1
    found = made.perceptual
    assert found is not None
    assert torch.allclose(found(decoded, batch()), factors.flip(0) * squared(decoded, batch()))
    made.step_index = 0
    picture = batch()[0]
    measured = made.measure(picture)
    assert measured.lpips[0] == pytest.approx(float(squared(measured.decoded[0], picture[None])))


def test_a_path_goes_on_from_another_training_of_it(model_file: Path, picture_folder: Path, tmp_path: Path) -> None:
    first = [*arguments(model_file, picture_folder, tmp_path / "one", **{"training.steps": 2})]
    assert cli.main(first) == 0
    options: dict[str, Any] = {"training.steps": 1, "training.learning_rate": 0, "training.adversarial_weight": 0}
    second = arguments(model_file, picture_folder, tmp_path / "two", **options)
    assert cli.main([*second, "--init", str(model_file), str(tmp_path / "one/reverse.ckpt")]) == 0
    one, two = (saved(tmp_path / name / "reverse.ckpt")["state_dict"] for name in ("one", "two"))
    weights = [name for name in two if name.startswith("reverse.network")]
    assert all(torch.equal(one[name], two[name]) for name in weights)
