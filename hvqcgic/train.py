"""`python -m hvqcgic.train`: see `hvqcgic.training.cli`."""

import sys

from hvqcgic.training import main

if __name__ == "__main__":
    sys.exit(main())
