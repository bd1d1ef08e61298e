"""``python -m portlore.netinfo.tools NAME …``: a tool without its console script."""

from __future__ import annotations

import sys

from portlore.netinfo.tools import TOOLS, run

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TOOLS:
        sys.exit(f"usage: python -m portlore.netinfo.tools {{{'|'.join(TOOLS)}}} ...")
    sys.exit(run(sys.argv[1], sys.argv[2:]))
