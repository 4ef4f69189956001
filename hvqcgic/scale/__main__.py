"""`python -m hvqcgic.scale`: see `hvqcgic.scale.cli`."""

import sys

from hvqcgic.cli import run_with_extra


def main() -> int:
    """Return the exit code, see `hvqcgic.scale.cli`."""
    from hvqcgic.scale.cli import main as scale

    return scale()


if __name__ == "__main__":
    sys.exit(run_with_extra("hvqcgic.scale", "scale", main))
