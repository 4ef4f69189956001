"""Choice of a trial's parameters: Optuna's TPE, seeded by the sweep's seed and the trial's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState


class SeededByTrial(BaseSampler):
    """TPE for several objectives, with a new random state for every trial.

    Workers that share a seed therefore never draw the same numbers, and a sweep with one worker can be repeated.
    """

    def __init__(self, seed: int, random_trials: int) -> None:
        """Args: seed: of the sweep; random_trials: number of random trials before TPE starts."""
        self._seed, self._random_trials = seed, random_trials
        self._of_trial = self._sampler(0)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Set the random state of the trial."""
        self._of_trial = self._sampler(trial.number)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See Optuna."""
        return self._of_trial.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See Optuna."""
        return self._of_trial.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See Optuna."""
        return self._of_trial.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """See Optuna."""
        self._of_trial.after_trial(study, trial, state, values)

    def _sampler(self, number: int) -> TPESampler:
        # Parameters are sampled in groups, because trials that train have more parameters than the others.
        return TPESampler(
            seed=(self._seed * 1_000_003 + number) % 2**32,
            n_startup_trials=self._random_trials,
            multivariate=True,
            group=True,
        )
