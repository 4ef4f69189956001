"""Values of options that start with a minus, which argparse takes for options unless they are plain numbers."""

import re
from collections.abc import Collection, Sequence

NEGATIVE = re.compile(r"-\.?(\d|inf|nan)", re.IGNORECASE)
"""Start of a negative value, such as -1e-3, -.5, -1,0,2, -inf or, in YAML, -.inf."""


def join_negative_values(argv: Sequence[str], options: Collection[str] | None = None) -> list[str]:
    """Join an option and a negative value that follows it, so that argparse takes the one for the other's value.

    Args:
        argv: arguments of a command line.
        options: those that take a value; None for all that begin with two minus signs.
    """
    joined: list[str] = []
    for argument in argv:
        option = joined[-1] if joined else ""
        takes = option in options if options is not None else option.startswith("--") and "=" not in option
        if takes and option != "--" and NEGATIVE.match(argument):
            joined[-1] = f"{option}={argument}"
        else:
            joined.append(argument)
    return joined
