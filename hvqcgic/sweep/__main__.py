"""`python -m hvqcgic.sweep`: see `hvqcgic.sweep.cli`."""

import sys

from hvqcgic.cli import run_with_extra


def main() -> int:
    """Return the exit code, see `hvqcgic.sweep.cli`."""
    from hvqcgic.sweep.cli import main as sweep

    return sweep()


if __name__ == "__main__":
    sys.exit(run_with_extra("hvqcgic.sweep", "sweep", main))
