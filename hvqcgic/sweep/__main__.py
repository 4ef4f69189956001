"""`python -m hvqcgic.sweep`: see `hvqcgic.sweep.cli`."""

import sys

from hvqcgic.sweep.cli import main

if __name__ == "__main__":
    sys.exit(main())
