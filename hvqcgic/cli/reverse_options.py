"""Options of the reverse path."""

import argparse
import math
from typing import Any


def add_reverse_options(parser: argparse.ArgumentParser) -> None:
    """Add `--steps`, `--randomness` and `--seed`."""
    parser.add_argument(
        "--steps",
        type=_from_zero,
        default=0,
        metavar="N",
        help="use the model's reverse path with this number of steps, for more natural texture from the same file; the "
        "bundled path needs one step, further steps depend on --seed and change little; needs "
        "NAME-reverse.safetensors beside the model (default: 0, the plain decoder)",
    )
    parser.add_argument(
        "--randomness",
        type=_at_least_zero,
        default=1.0,
        metavar="S",
        help="noise between the steps, from 2 steps on: 0 for none, 1 for the noise of training (default: 1)",
    )
    parser.add_argument(
        "--seed",
        type=_from_zero,
        default=0,
        metavar="N",
        help="seed of the noise: the same file, steps, randomness and seed give the same picture (default: 0)",
    )


def sampling_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the options by name; an empty dictionary for 0 steps."""
    return {name: getattr(arguments, name) for name in ("steps", "randomness", "seed") if arguments.steps}


def in_words(sampling: dict[str, Any]) -> str:
    """Format the values of `sampling_of` for the end of a message."""
    if not sampling:
        return ""
    steps = f"{sampling['steps']} step{'s' if sampling['steps'] > 1 else ''}"
    return f", in {steps} of the reverse path (randomness {sampling['randomness']:g}, seed {sampling['seed']})"


def _from_zero(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _at_least_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on, such as 0.5")
    return number
