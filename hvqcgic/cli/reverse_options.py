"""The options that say how the reverse path is followed."""

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
        help="follow the reverse path of the model for so many steps, for more natural texture from the same stream: "
        "one is all that the bundled path needs, more draw anew by --seed and change little; needs "
        "NAME-reverse.safetensors beside the model (default: 0, the decoder alone)",
    )
    parser.add_argument(
        "--randomness",
        type=_at_least_zero,
        default=1.0,
        metavar="S",
        help="noise between the steps, from 2 steps on: 0 for none, 1 as much as in training (default: 1)",
    )
    parser.add_argument(
        "--seed",
        type=_from_zero,
        default=0,
        metavar="N",
        help="of that noise: the same stream, steps, randomness and seed give the same picture (default: 0)",
    )


def sampling_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The values of the options by name, where there are steps at all; else nothing."""
    return {name: getattr(arguments, name) for name in ("steps", "randomness", "seed") if arguments.steps}


def in_words(sampling: dict[str, Any]) -> str:
    """What to say, behind the rest of a line, of values that `sampling_of` gave."""
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
