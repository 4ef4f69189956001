"""One trial: choose parameters, train if requested, measure, and write the results to the trial's folder."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from hvqcgic.errors import OutputError
from hvqcgic.evaluation import forget_codecs
from hvqcgic.files import one_line, write_atomically
from hvqcgic.models import Ratios
from hvqcgic.sweep import measuring, training
from hvqcgic.sweep.checks import Checks
from hvqcgic.sweep.hparams import TrialCharts, write_charts
from hvqcgic.sweep.knobs import codec_spec
from hvqcgic.sweep.objectives import headings, numbers_of, validation_names
from hvqcgic.sweep.places import find_place
from hvqcgic.sweep.pruning import CHECKS, better_at, note_check
from hvqcgic.sweep.request import Request
from hvqcgic.sweep.space import Fixed
from hvqcgic.sweep.storage import STORAGE_ERRORS, Storage
from hvqcgic.training import ratio_params

EVALUATE, TRAIN = "evaluate", "train"

TRAINING, TRAINED = "training", "trained"
"""User attributes of a trial that trains: digest of the training options, and path of the model that it trained."""


class Surplus(Exception):
    """The sweep has all its trials, so this trial is given up."""


class Failed(Exception):
    """The trial cannot be done and would fail again at another time."""


@dataclass
class TrialRun:
    """Objective function of the study: runs trials one after the other.

    Attributes:
        request: the sweep.
        pictures: ready to be coded.
        storage: receives the heartbeats.
        say: called with a short status of the trial.
    """

    request: Request
    pictures: measuring.Measuring
    storage: Storage
    say: Callable[[str], None]
    number: int = field(default=-1, init=False)

    def __call__(self, trial: optuna.Trial) -> tuple[float, ...]:
        """Run a trial; return the values of the objectives.

        Raises:
            Surplus: the trial holds no place.
            Failed: the trial cannot be done; the reason is recorded in the study.
            optuna.TrialPruned: the training was ended early.
            KeyboardInterrupt: the trial was interrupted and must be repeated.
        """
        self.number = trial.number
        # Optuna's own thread may not have sent a heartbeat yet, and without one this worker's death would go unnoticed.
        self.storage.record_heartbeat(trial._trial_id)
        trial.set_user_attr("worker", f"{socket.gethostname()}:{os.getpid()}")
        try:
            return self._run(trial)
        except SystemExit as error:
            # Lightning converts an interruption to SystemExit.
            raise (error.__context__ if isinstance(error.__context__, KeyboardInterrupt) else error) from None
        except (optuna.TrialPruned, Surplus, OutputError, *STORAGE_ERRORS):
            raise
        except Exception as error:
            trial.set_user_attr("why", one_line([str(error) or type(error).__name__]))
            raise Failed(str(error)) from error

    def _run(self, trial: optuna.Trial) -> tuple[float, ...]:
        began = time.monotonic()
        place = find_place(trial.study.get_trials(deepcopy=False), trial.number, self.request.trials)
        if place is None:
            trial.set_user_attr("surplus", True)
            raise Surplus
        kind = trial.user_attrs.get("kind") or (TRAIN if self.request.trains(place.rank) else EVALUATE)
        folder = self.request.folder / "trials" / f"{trial.number:04}"
        for name, value in {"kind": kind, "folder": str(folder), CHECKS: {}}.items():
            trial.set_user_attr(name, value)
        knobs = {name: entry.suggest(trial, name) for name, entry in self.request.evaluate.items()}
        model = self._train(trial, folder) if kind == TRAIN else None
        spec = codec_spec(knobs, model=None if model is None else str(model))
        write_atomically(folder / measuring.CONFIG, self.pictures.config(spec), force=True)
        used = str(model or knobs.get("model", "tiny"))
        numbers = numbers_of(self.pictures.measure(spec, self._moved(trial)))
        coded = self.pictures.coded(spec, used)
        if coded.saving_percent is not None:
            numbers["saving_percent"] = coded.saving_percent
        if model is not None:
            forget_codecs()
        values = tuple(numbers[objective.name] for objective in self.request.objectives)
        noted = {"spec": spec, "model": used, "numbers": numbers}
        for name, value in (noted | {"seconds": time.monotonic() - began}).items():
            trial.set_user_attr(name, value)
        self._leave(trial, folder, numbers, coded.ratios)
        return values

    def _train(self, trial: optuna.Trial, folder: Path) -> Path:
        request = self.request
        values = {name: entry.suggest(trial, name) for name, entry in request.train.items()}
        trial.set_user_attr(TRAINING, training.digest(values))
        if (found := self._trained(trial)) is not None:
            return found
        names = validation_names(request.objectives, training.perceptual_net(request.train)) or {}
        checks = Checks(names, lambda step, found: self._is_hopeless(trial, step, found), self._moved(trial))
        checkpoint = training.train(values, folder, [checks])
        if checks.pruned_at is not None:
            trial.set_user_attr("pruned_at", checks.pruned_at)
            self._leave(trial, folder, {})
            raise optuna.TrialPruned
        model = training.freeze(checkpoint, f"trial-{trial.number}")
        trial.set_user_attr(TRAINED, str(model))
        return model

    def _trained(self, trial: optuna.Trial) -> Path | None:
        """Model of a finished training with the options of a trial, if there is one on this machine."""
        wanted = trial.user_attrs[TRAINING]
        for other in trial.study.get_trials(deepcopy=False):
            if other.user_attrs.get(TRAINING) == wanted and Path(other.user_attrs.get(TRAINED, "")).is_file():
                return Path(other.user_attrs[TRAINED])
        return None

    def _is_hopeless(self, trial: optuna.Trial, step: int, values: Sequence[float]) -> bool:
        note_check(trial, step, values)
        pruning = self.request.pruning
        if not pruning.dominated_by or step <= pruning.after:
            return False
        trials = trial.study.get_trials(deepcopy=False)
        mine = next(other for other in trials if other.number == trial.number)
        return better_at(step, mine, trials, self.request.objectives) >= pruning.dominated_by

    def _leave(
        self, trial: optuna.Trial, folder: Path, numbers: Mapping[str, float], ratios: Ratios | None = None
    ) -> None:
        """Write the trial's files and its TensorBoard run."""
        checks = {int(step): found for step, found in trial.user_attrs[CHECKS].items()}
        about: dict[str, Any] = {
            "trial": trial.number,
            "kind": trial.user_attrs["kind"],
            "params": trial.params,
            "numbers": dict(numbers),
        }
        write_atomically(folder / "trial.json", json.dumps(about | {CHECKS: checks}, indent=1).encode(), force=True)
        names = [objective.name for objective in self.request.objectives]
        charts = TrialCharts(
            name=f"trial {trial.number:04}",
            params=self._params(trial, ratios),
            columns=self.request.columns(),
            values=numbers,
            headings=headings(self.request.objectives),
            curves={name: {step: found[at] for step, found in checks.items()} for at, name in enumerate(names)},
        )
        write_charts(folder, charts)

    def _params(self, trial: optuna.Trial, ratios: Ratios | None) -> dict[str, float | str]:
        """Parameters of a trial for HParams; those of trainings that are the same for all of them, too."""
        kind = trial.user_attrs["kind"]
        fixed = self.request.train if kind == TRAIN else {}
        same = {name: entry.value for name, entry in fixed.items() if isinstance(entry, Fixed)}
        drawn = {name: round(value, 4) if isinstance(value, float) else value for name, value in trial.params.items()}
        params = {**same, **drawn, **(ratio_params(ratios) if ratios else {}), "kind": kind}
        return {name: params[name] for name in self.request.columns() if params.get(name) is not None}

    def _moved(self, trial: optuna.Trial) -> Callable[[str], None]:
        return lambda words: self.say(f"trial {trial.number}: {words}")
