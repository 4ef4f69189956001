"""What a training starts from: checkpoints, frozen models, and which part is taken of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.model_files import MODEL_SUFFIX, bundled_models, find_model, read_model, read_summary
from hvqcgic.models import ReverseConfig, parameter_count
from hvqcgic.perceptual import Perceptual
from hvqcgic.training.average import weights_of
from hvqcgic.training.checkpoints import read_checkpoint
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.module import HvqModule
from hvqcgic.training.reverse_module import ReverseModule
from hvqcgic.training.thaw import thaw_networks, thawed_checkpoint

BACKBONE = ("model.encoder.", "model.decoder.", "model.quantiser.")
"""What a checkpoint must hold for a training to start from it."""
READERS = tuple(f"model.decoder.{name}.weight" for name in ("stem", "medium_condition", "fine_condition"))
"""Weights through which a decoder reads codes, and the index prior's parameters behind them."""


def is_model(path: Path) -> bool:
    """Whether a start is a frozen model: one of the bundled ones by its name, or a model file."""
    return str(path) in bundled_models() or path.suffix == MODEL_SUFFIX


def model_options(path: Path) -> dict[str, Any]:
    """The model options of what a training starts from, in the form of `ModelConfig.to_dict`.

    Raises:
        ConfigError: the file is no checkpoint.
        ModelError: there is no such model, or its file is damaged.
    """
    if is_model(path):
        return read_summary(find_model(path)).config
    return read_checkpoint(path)["hyper_parameters"]["model"]


def load_weights(module: HvqModule, paths: Sequence[Path], stage_before: Sequence[Path] = ()) -> None:
    """Starts a module from checkpoints or frozen models, later ones over earlier ones.

    Of a checkpoint with a moving average of its weights that is taken: it is what was validated and would be exported.
    Of a checkpoint of stage backbone the entropy networks are left out, as they are untrained there: named after one
    with trained ones it replaces the backbone alone. A decoder that reads the index prior's parameters starts from one
    that does not, with weights of 0 for them. Where none of the checkpoints has trained ones, the index prior
    starts from the use of the codes.

    Args:
        module: fresh.
        paths: as they were named.
        stage_before: the checkpoint of the stage before, over them.

    Raises:
        ConfigError: a file is no checkpoint, its backbone has other shapes, later ones replace all that it holds, or
            the stage needs a backbone and has none.
    """
    own, predicts = module.state_dict(), False
    taken: dict[str, Path] = {}
    for path in (*paths, *stage_before):
        checkpoint = thawed_checkpoint(path) if is_model(path) else read_checkpoint(path)
        untrained = checkpoint["hyper_parameters"]["stage"] == "backbone"
        kept = (*BACKBONE, "discriminator.") if untrained else ("",)
        state = {key: value for key, value in weights_of(checkpoint).items() if key.startswith(kept) and key in own}
        state |= {key: _with_prior(state[key], own[key], module) for key in READERS if key in state}
        fitting = {key: value for key, value in state.items() if own[key].shape == value.shape}
        missing = sorted(key for key in own if key.startswith(BACKBONE) and key not in fitting)
        if missing:
            raise ConfigError(
                f"{path}: {missing[0]} is missing or has another shape; train with the model options of that run"
            )
        module.load_state_dict(fitting, strict=False)
        taken |= dict.fromkeys((key for key in fitting if path in paths and not key.startswith("discriminator.")), path)
        entropy = [key for key in own if not key.startswith((*BACKBONE, "discriminator."))]
        predicts = predicts or all(key in fitting for key in entropy)
    _check_each_counts(paths, taken.values())
    if module.stage == "backbone":
        return
    if not bool(module.model.quantiser.initialised):
        raise ConfigError(
            f"stage {module.stage} needs a trained backbone: name its checkpoint with --init, or use --stage all"
        )
    if not predicts:
        module.model.prior.start(module.model.quantiser.usage, module.model.quantiser.codebook)


def _with_prior(weight: Tensor, wanted: Tensor, module: HvqModule) -> Tensor:
    """Weights (out, in, h, w) of a decoder that does not read the prior, for one that does; others as they are."""
    config, more = module.model.config, wanted.shape[1] - weight.shape[1]
    if not module.reads_prior or more != parameter_count(config.entropy, config.code_width):
        return weight
    return F.pad(weight, (0, 0, 0, 0, 0, more))


def _check_each_counts(paths: Sequence[Path], taken: Collection[Path]) -> None:
    """Refuses what would silently be trained from something else: of what is not `taken` nothing is left."""
    idle = [path for path in paths if path not in taken]
    if idle:
        raise ConfigError(
            f"--init {idle[0]}: what is named after it replaces all that it holds; leave it out, or name it last: of a "
            "checkpoint of stage backbone the backbone alone is taken"
        )


def make_reverse_module(
    start: Sequence[Path], config: ReverseConfig, training: TrainingConfig, perceptual: Perceptual | None
) -> ReverseModule:
    """A module of stage reverse behind the frozen model that its start names first.

    Raises:
        ConfigError: it names none first, or one that no reverse path can stand behind.
        ModelError: there is no such model, or its file is damaged.
    """
    if not start or not is_model(start[0]):
        named = f"--init {start[0]}" if start else "no --init"
        raise ConfigError(
            f"stage reverse, {named}: it is trained behind a frozen model; name a bundled one or a model file, "
            "which `python -m hvqcgic.export` makes of a checkpoint"
        )
    frozen = read_model(start[0])
    return ReverseModule(thaw_networks(frozen), frozen.fingerprint, config, training, perceptual)


def load_reverse_weights(module: ReverseModule, paths: Sequence[Path]) -> None:
    """Starts a reverse model from checkpoints of its stage, behind the same frozen model.

    Raises:
        ConfigError: a file is no such checkpoint, its networks have other shapes, or later ones replace all of it.
    """
    _check_each_counts(paths, paths[-1:])
    for path in paths:
        checkpoint = read_checkpoint(path)
        if checkpoint["hyper_parameters"].get("fingerprint") != module.hparams["fingerprint"]:
            raise ConfigError(f"{path}: no checkpoint of stage reverse behind this model; leave it out of --init")
        state, own = weights_of(checkpoint), module.state_dict()
        fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
        if missing := sorted(name for name in own if name.startswith("reverse.") and name not in fitting):
            raise ConfigError(
                f"{path}: {missing[0]} is missing or has another shape; train with the --reverse options of that run"
            )
        module.load_state_dict(fitting, strict=False)


def start_from(module: HvqModule | ReverseModule, start: Sequence[Path], stage_before: Sequence[Path] = ()) -> None:
    """Starts a fresh module from checkpoints or frozen models; errors as of `load_weights`, `load_reverse_weights`."""
    if isinstance(module, ReverseModule):
        # The first is the model that it stands behind.
        load_reverse_weights(module, start[1:])
    else:
        load_weights(module, start, stage_before)
