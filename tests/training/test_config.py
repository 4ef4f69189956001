"""The training's settings, and what is refused of them."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.model_files import find_model, read_summary
from hvqcgic.models.config import EntropyConfig, ModelConfig
from hvqcgic.models.discriminator import PatchDiscriminator
from hvqcgic.models.network import HvqModel
from hvqcgic.models.reverse_path import ReverseConfig, ReverseModel
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.options import build_parser, parse_options
from hvqcgic.training.rate import HyperLatentPriors

FOLDER = Path(__file__).parents[2] / "hvqcgic/configs"
CONFIGS = sorted(set(FOLDER.glob("*.yaml")) - {FOLDER / "sweep.yaml"})
LARGEST = {"tiny": 3_000_000, "tiny-hvq": 3_000_000, "base": 8_000_000, "control-gic": 132_000_000}


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("lmbda", -0.01, "at least 0"),
        ("learning_rate", math.nan, "a finite number of at least 0"),
        ("lmbda", math.inf, "a finite number of at least 0"),
        ("steps", -1, "at least 0"),
        ("tau", 0.0, "at least 0.001"),
        ("favoured_share", 1.5, "0 to 1"),
        ("validate_every", 0, "at least 1"),
    ],
)
def test_numbers_out_of_their_range_are_named_as_the_option_is(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainingConfig(**{field: value})
    option = "--lambda" if field == "lmbda" else f"--training.{field}"
    assert str(caught.value) == f"{option} is {value}; use {allowed}"


def test_help_explains_every_field() -> None:
    actions = {action.dest: action.help for action in build_parser()._actions}
    wanted = {f"training.{field.name}" for field in dataclasses.fields(TrainingConfig)} - {"training.lmbda"}
    wanted |= {f"model.{field.name}" for field in dataclasses.fields(ModelConfig)} | {"lambda", "pictures.crop_px"}
    wanted |= {f"model.entropy.{field.name}" for field in dataclasses.fields(ModelConfig().entropy)}
    wanted |= {f"model.backbone.{field.name}" for field in dataclasses.fields(ModelConfig().backbone)}
    assert not [name for name in wanted if not actions.get(name)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_files_are_valid_and_keep_to_their_size(path: Path) -> None:
    options = build_parser().parse_args(["--config", str(path)])
    TrainingConfig(**vars(options.training), lmbda=options["lambda"])
    config = ModelConfig.from_dict(options.model.as_dict())
    model = HvqModel(config)
    networks = [model, HyperLatentPriors(model.z_channels)]
    if options.training.adversarial_weight > 0:
        networks.append(PatchDiscriminator())
    numbers = sum(weight.numel() for network in networks for weight in network.parameters())
    assert numbers + model.quantiser.codebook.numel() <= LARGEST[config.name]


GRIDS = ("activation_bits", "weight_bits", "activation_limit")
CHOSEN = ("z_channels", "hyperprior", "z_footprint", "hint_kernel", *GRIDS)


def without_choices(config: ModelConfig) -> ModelConfig:
    """Hyperpriors, local means and coarse grids are choices of a configuration; what says nothing of them has none."""
    plain = EntropyConfig()
    entropy = dataclasses.replace(config.entropy, **{name: getattr(plain, name) for name in CHOSEN})
    return dataclasses.replace(config, entropy=entropy, means=None)


def test_training_from_nothing_is_that_of_tinys_configuration() -> None:
    path = str(next(path for path in CONFIGS if path.stem == "tiny"))
    nothing, named = parse_options(["--init", "none"]), parse_options(["--config", path])
    assert nothing.model == named.model
    assert parse_options(["--config", "demo", "--init", "none"]).model != named.model


def test_the_defaults_are_tinys() -> None:
    path = str(next(path for path in CONFIGS if path.stem == "tiny"))
    options = build_parser().parse_args(["--config", path])
    config = ModelConfig.from_dict(options.model.as_dict())
    assert without_choices(config) == ModelConfig()
    assert config.means is not None
    assert config.entropy.z_channels == (8, 8, 8)
    assert TrainingConfig(**vars(options.training), lmbda=options["lambda"]) == TrainingConfig()
    given = ("stage", "backbone_steps", "hyperprior_steps", "pictures")
    assert {name: options[name] for name in given} == {name: build_parser().get_defaults()[name] for name in given}


def test_without_config_init_and_stage_the_bundled_model_is_trained_on() -> None:
    options = parse_options(["--lambda", "0.01", "--data", "pictures"])
    assert (options.stage, options.init, options["lambda"], options.data) == ("joint", ["tiny"], 0.01, "pictures")
    config = ModelConfig.from_dict(options.model.as_dict())
    assert config == ModelConfig.from_dict(read_summary(find_model("tiny")).config)
    assert config.entropy.z_channels == (8, 8, 8)
    assert options.training.steps < parse_options(["--config", "tiny"]).training.steps


def test_the_papers_model_has_the_papers_hyperpriors_whatever_it_starts_from() -> None:
    options = parse_options(["--config", "tiny-hvq"])
    entropy = ModelConfig.from_dict(options.model.as_dict()).entropy
    assert (entropy.hyperprior, entropy.z_channels) == ("convolutional", (4, 4, 4))
    assert (entropy.z_footprint, entropy.hint_kernel) == (4, 5)
    assert (entropy.embedding, entropy.log_prior, entropy.context) == ("codebook", False, False)


@pytest.mark.parametrize(
    ("arguments", "stage", "init"),
    [
        (["--init", "none"], "all", None),
        (["--init=none"], "all", None),
        (["--config", "tiny"], "all", None),
        (["--stage", "joint"], "joint", None),
        (["--config", "demo", "--init", "none"], "joint", None),
        (["--config", "demo"], "joint", ["tiny"]),
        (["--init", "tiny-frozen"], "all", ["tiny-frozen"]),
    ],
)
def test_what_is_given_says_what_is_trained(arguments: list[str], stage: str, init: list[str] | None) -> None:
    options = parse_options(arguments)
    assert (options.stage, options.init) == (stage, init)
    if "demo" not in arguments:
        assert TrainingConfig(**vars(options.training), lmbda=options["lambda"]) == TrainingConfig()


def test_the_reverse_network_of_the_config_keeps_to_its_size() -> None:
    options = build_parser().parse_args(["--config", "reverse"])
    assert (options.stage, options.init) == ("reverse", ["tiny"])
    network = ReverseModel(ReverseConfig(**vars(options.reverse)), ModelConfig()).network
    assert sum(weight.numel() for weight in network.parameters()) <= 2_000_000
