"""Steps of a reverse path that can be asked for; checked without torch."""

from hvqcgic.errors import ConfigError

MOST_STEPS = 64
"""Largest number of steps of a sampler, far more than are useful."""


def check_steps(steps: int, randomness: float) -> None:
    """Raise `ConfigError` for steps and randomness that are not allowed."""
    if not 0 <= steps <= MOST_STEPS:
        raise ConfigError(f"steps {steps} cannot be taken; use 0 (the plain decoder) to {MOST_STEPS}")
    if not 0 <= randomness < float("inf"):
        raise ConfigError(f"randomness {randomness} is none; use 0 (the likeliest picture) or more, 1 as in training")
