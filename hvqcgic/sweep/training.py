"""Trials that train: a short training from a checkpoint or model, and the model file that comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import lightning
import yaml
from jsonargparse import ArgumentError

from hvqcgic.errors import ConfigError
from hvqcgic.files import one_line, write_atomically
from hvqcgic.model_files import write_model
from hvqcgic.sweep.space import Space, edges, nest
from hvqcgic.training import PictureDataModule, TrainingConfig, freeze_model, load_module, parse_options, run_training

CONFIG, MODEL = "train.yaml", "model.safetensors"
"""In the folder of a trial: what can be trained again, and what `hvqcgic.load` takes."""

_STAGES = ("joint", "hyperprior")
_OWN = ("out", "force", "resume", "config")
_DEFAULTS = {"stage": "joint", "training.file_pictures": 0}


def check_training(space: Space) -> None:
    """Refuses options that no training could take, before any trial.

    Raises:
        ConfigError: an option is unknown or not allowed, is set by the sweep itself, or there is nothing to start from.
    """
    if wrong := [name for name in space if name in _OWN]:
        raise ConfigError(f"train.{wrong[0]} is set for each trial by the sweep itself; leave it out")
    for values in edges(space):
        options = _parse_values(_DEFAULTS | values)
        if options.stage not in _STAGES or not options.init:
            raise ConfigError(
                f"train.stage is {options.stage}, train.init {options.init}: trials go on from a trained model; give "
                f"stage {' or '.join(_STAGES)}, and init"
            )
        TrainingConfig(**vars(options.training) | {"lmbda": options["lambda"]})


def train(values: Mapping[str, Any], folder: Path, callbacks: Sequence[lightning.Callback]) -> Path:
    """Trains in a folder; returns the checkpoint.

    Args:
        values: options of `python -m hvqcgic.train` by dotted names.
        folder: of the trial.
        callbacks: that watch the training.
    Raises:
        HvqcgicError: settings, checkpoints or pictures that cannot be used.
        SystemExit: Lightning's way to end at Ctrl-C.
    """
    chosen = _DEFAULTS | dict(values) | {"out": str(folder), "force": True}
    write_atomically(folder / CONFIG, _yaml(chosen), force=True)
    options = parse_options(["--config", str(folder / CONFIG)])
    about_pictures = {"data": options.data, "val": options.val, "seed": options.training.seed}
    pictures = _pictures(json.dumps(about_pictures | vars(options.pictures)))
    return run_training(options, pictures=pictures, callbacks=callbacks)


def freeze(checkpoint: Path, name: str) -> Path:
    """Freezes a checkpoint to the model file beside it.

    Raises:
        ModelError: it cannot be frozen.
        OutputError: the file cannot be written.
    """
    module = load_module(checkpoint)
    path = checkpoint.with_name(MODEL)
    write_model(freeze_model(module.model, module.priors, name=name), path, force=True)
    return path


def perceptual_net(space: Space) -> str:
    """Feature network of the trainings' LPIPS."""
    return str(edges(space)[0].get("perceptual", "alex"))


@lru_cache(maxsize=1)
def _pictures(chosen: str) -> PictureDataModule:
    """Training pictures, read once for all trials of a worker."""
    return PictureDataModule(**json.loads(chosen))


def _parse_values(values: Mapping[str, Any]) -> Any:
    try:
        return parse_options(["--config", _yaml(values).decode()])
    except ArgumentError as error:
        raise ConfigError(one_line([f"section train: {error} (see python -m hvqcgic.train --help)"])) from error


def _yaml(values: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(nest(values), sort_keys=False).encode()
