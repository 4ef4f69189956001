"""`python -m hvqcgic.scale`: see `hvqcgic.scale.cli`."""

import sys

from hvqcgic.scale.cli import main

if __name__ == "__main__":
    sys.exit(main())
