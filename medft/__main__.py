"""python -m medft."""

import sys

from medft.cli import main

if __name__ == "__main__":
    sys.exit(main())
