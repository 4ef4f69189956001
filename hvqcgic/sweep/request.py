"""The options of a sweep, parsed and checked before any trial."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation import picture_names
from hvqcgic.files import all_pictures, check_readable_picture
from hvqcgic.model_files import bundled_models
from hvqcgic.sweep.knobs import check_knobs
from hvqcgic.sweep.objectives import Objective, parse_objectives
from hvqcgic.sweep.options import BestPoint, Pruning
from hvqcgic.sweep.space import Fixed, Space, describe, parse_space, swept
from hvqcgic.sweep.training import LOCAL, check_training


@dataclass(frozen=True)
class Request:
    """A requested sweep.

    Attributes:
        folder: for all output.
        pictures: pictures that every trial codes, by name.
        objectives: at least two.
        evaluate: search space of encoder options.
        train: search space of training options.
        train_share: share of the trials that train, 0 to 1.
        pruning: of trainings.
        best: named operating points.
        trials: number of trials of the study in all.
        jobs: processes that code pictures.
        device: device of the evaluation.
        heartbeat_s: seconds between two heartbeats.
    """

    folder: Path
    pictures: dict[str, Path]
    objectives: tuple[Objective, ...]
    evaluate: Space
    train: Space
    train_share: float
    pruning: Pruning
    best: dict[str, BestPoint]
    trials: int
    jobs: int
    device: str
    heartbeat_s: int

    def trains(self, rank: int) -> bool:
        """Whether the trial of a rank trains; trials that train are spread evenly."""
        return math.floor((rank + 1) * self.train_share + 1e-9) > math.floor(rank * self.train_share + 1e-9)

    def columns(self) -> tuple[str, ...]:
        """Names of all parameters of trials, the most important ones first."""
        spaces = [self.train, self.evaluate] if self.train_share else [self.evaluate]
        searched = [name for space in spaces for name in swept(space)]
        return tuple(dict.fromkeys(["lambda", "fine", "medium", "coarse", *searched, "training.learning_rate", "kind"]))

    def settings(self) -> dict[str, Any]:
        """All settings that the values of a trial depend on, equal on every machine."""
        train = {name: entry for name, entry in self.train.items() if name not in LOCAL} if self.train_share else {}
        return {
            "objectives": [objective.name for objective in self.objectives],
            "pictures": {name: _digest(path) for name, path in self.pictures.items()},
            "evaluate": describe(_with_digests(self.evaluate)),
            "train": describe(_with_digests(train)),
            "train_share": self.train_share,
        }


def read_request(options: Namespace) -> Request:
    """Check the options.

    Raises:
        ConfigError: an objective, encoder option, training option or best point is unknown or not allowed, or there are
            no pictures.
        PictureError: a picture cannot be read.
    """
    objectives = parse_objectives(options.objectives)
    evaluate, train = parse_space("evaluate", options.evaluate), parse_space("train", options.train)
    check_knobs(evaluate)
    if not 0 <= options.train_share <= 1:
        raise ConfigError(f"--train_share is {options.train_share}; use 0 (no trial trains) to 1 (all do)")
    best = {name: BestPoint(**vars(point)) for name, point in options.best.items()}
    _check_best(best, objectives)
    pictures = _find_pictures(options.pictures)
    if options.train_share:
        check_training(train)
    return Request(
        folder=Path(options.out),
        pictures=pictures,
        objectives=objectives,
        evaluate=evaluate,
        train=train,
        train_share=options.train_share,
        pruning=Pruning(**vars(options.prune)),
        best=best,
        # jsonargparse returns an int subclass for a given option, which YAML cannot write.
        trials=int(options.trials),
        jobs=int(options.jobs),
        device=options.device,
        heartbeat_s=options.heartbeat,
    )


def _find_pictures(arguments: list[str]) -> dict[str, Path]:
    if not arguments:
        raise ConfigError("no pictures; name pictures, or folders of pictures, with --pictures")
    paths = all_pictures(arguments)
    for path in paths:
        check_readable_picture(path)
    return picture_names(paths)


def _check_best(best: dict[str, BestPoint], objectives: tuple[Objective, ...]) -> None:
    known = [objective.name for objective in objectives]
    for name, point in best.items():
        if not name or "/" in name or name.startswith("."):
            raise ConfigError(f"best point {name!r}: its name is that of a folder; use letters, digits and hyphens")
        for objective in (point.at, point.best):
            if objective not in known:
                raise ConfigError(f"best point {name}: {objective!r} is no objective of it; use {' or '.join(known)}")


def _with_digests(space: Space) -> Space:
    """Replace models and checkpoints by hashes of their content, because their paths differ between machines."""
    return space | {
        name: Fixed(
            [_of_model(str(path)) for path in (entry.value if isinstance(entry.value, list) else [entry.value])]
        )
        for name in ("model", "init")
        if isinstance(entry := space.get(name), Fixed)
    }


def _of_model(name: str) -> str:
    path = bundled_models().get(name, Path(name))
    return _digest(path) if path.is_file() else name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
