#!python
"""The command of an installed portlore; the installer puts its interpreter into the first line."""

import sys

from portlore.cli import main

sys.exit(main())
