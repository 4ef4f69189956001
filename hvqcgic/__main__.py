"""`python -m hvqcgic` is the console command `hvqcgic`."""

import sys

from hvqcgic.cli import main

if __name__ == "__main__":
    sys.exit(main())
