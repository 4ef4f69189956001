"""`python -m hvqcgic.train`: see `hvqcgic.training.cli`."""

import sys

from hvqcgic.cli import run_with_extra


def main() -> int:
    """Return the exit code, see `hvqcgic.training.cli`."""
    from hvqcgic.training import main as train

    return train()


if __name__ == "__main__":
    sys.exit(run_with_extra("hvqcgic.train", "train", main))
