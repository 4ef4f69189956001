"""The rule that ends trainings early."""

import pytest
from optuna.trial import FrozenTrial, TrialState

from hvqcgic.errors import ConfigError
from hvqcgic.sweep.options import Pruning
from hvqcgic.sweep.pruning import better_at
from tests.sweep.trials import OBJECTIVES, trial


def training(number: int, state: TrialState, **checks: tuple[float, float]) -> FrozenTrial:
    """A trial with values (bpp, PSNR) at steps, `s20=(0.3, 25.0)`."""
    return trial(number, state, checks={step.removeprefix("s"): list(values) for step, values in checks.items()})


MINE = training(9, TrialState.RUNNING, s20=(0.3, 25.0))


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        (training(0, TrialState.COMPLETE, s20=(0.29, 25.1)), True),
        (training(0, TrialState.PRUNED, s20=(0.29, 25.1)), True),
        (training(0, TrialState.RUNNING, s20=(0.29, 25.1)), True),
        (training(0, TrialState.FAIL, s20=(0.29, 25.1)), False),
        (training(0, TrialState.COMPLETE, s20=(0.29, 24.9)), False),
        (training(0, TrialState.COMPLETE, s20=(0.3, 25.1)), False),
        (training(0, TrialState.COMPLETE, s40=(0.1, 30.0)), False),
        (trial(0), False),
    ],
)
def test_who_was_better_in_everything_at_the_same_step(other: FrozenTrial, counts: bool) -> None:
    assert better_at(20, MINE, [other, MINE], OBJECTIVES) == counts


def test_everyone_counts_once() -> None:
    others = [training(n, TrialState.COMPLETE, s20=(0.1, 30.0), s40=(0.1, 30.0)) for n in range(3)]
    assert better_at(20, MINE, [*others, MINE], OBJECTIVES) == 3


@pytest.mark.parametrize("name", ["dominated_by", "after"])
def test_numbers_below_zero_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--prune.{name} is -1"):
        Pruning(**{name: -1})
