"""`python -m hvqcgic.evaluate`: see `hvqcgic.evaluation.cli`."""

import sys

from hvqcgic.evaluation import main

if __name__ == "__main__":
    sys.exit(main())
