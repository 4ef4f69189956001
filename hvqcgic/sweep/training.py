"""Trials that train: a short training from a checkpoint or model, and the resulting model file."""

from __future__ import annotations

import hashlib
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
"""Files in the folder of a trial: options that repeat the training, and the model for `hvqcgic.load`."""

LOCAL = ("data", "val", "cache", "threads", "accelerator")
"""Options of a training that may differ between the machines of a sweep."""

_STAGES = ("joint", "hyperprior")
_OWN = ("out", "force", "resume", "config")
_DEFAULTS = {"stage": "joint", "training.file_pictures": 0, "precision": "32-true"}
"""Of every trial; workers on different processors shall train alike."""


def check_training(space: Space) -> None:
    """Check training options before any trial.

    Raises:
        ConfigError: an option is unknown or not allowed, is set by the sweep itself, or there is no starting model.
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


def digest(values: Mapping[str, Any]) -> str:
    """Return a short name of training options, equal for equal options; those that may differ are left out."""
    chosen = {name: value for name, value in values.items() if name not in LOCAL}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]


def train(values: Mapping[str, Any], folder: Path, callbacks: Sequence[lightning.Callback]) -> Path:
    """Train in a folder; return the path of the checkpoint.

    Args:
        values: options of `python -m hvqcgic.train` by dotted names.
        folder: of the trial.
        callbacks: Lightning callbacks of the training.
    Raises:
        HvqcgicError: settings, checkpoints or pictures cannot be used.
        SystemExit: raised by Lightning at Ctrl-C.
    """
    chosen = _DEFAULTS | dict(values) | {"out": str(folder), "force": True}
    write_atomically(folder / CONFIG, _yaml(chosen), force=True)
    options = parse_options(["--config", str(folder / CONFIG)])
    about_pictures = {"data": options.data, "val": options.val, "seed": options.training.seed}
    pictures = _pictures(json.dumps(about_pictures | vars(options.pictures)))
    return run_training(options, pictures=pictures, callbacks=callbacks)


def freeze(checkpoint: Path, name: str) -> Path:
    """Freeze a checkpoint to a model file in the same folder; return its path.

    Raises:
        ModelError: the checkpoint cannot be frozen.
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
    """Return the training pictures, read once for all trials of a worker."""
    return PictureDataModule(**json.loads(chosen))


def _parse_values(values: Mapping[str, Any]) -> Any:
    try:
        return parse_options(["--config", _yaml(values).decode()])
    except ArgumentError as error:
        raise ConfigError(one_line([f"section train: {error} (see python -m hvqcgic.train --help)"])) from error


def _yaml(values: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(nest(values), sort_keys=False).encode()
