"""`python -m hvqcgic.evaluate`: see `hvqcgic.evaluation.cli`."""

import sys

from hvqcgic.cli import run_with_extra


def main() -> int:
    """Return the exit code, see `hvqcgic.evaluation.cli`."""
    from hvqcgic.evaluation import main as evaluate

    return evaluate()


if __name__ == "__main__":
    sys.exit(run_with_extra("hvqcgic.evaluate", "evaluate", main))
