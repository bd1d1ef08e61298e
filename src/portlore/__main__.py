"""``python -m portlore``."""

import sys

from portlore.cli import main

if __name__ == "__main__":
    sys.exit(main())
