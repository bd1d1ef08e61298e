"""In a network namespace of its own: starts servers, asks their ports, prints what it found as JSON lines.

Jobs come on standard input, a line each: ``{"server": [words], "asks": [[probe, port], …]}``; the first port is waited
for. To be run by ``unshare -n -m``; /run is its own, as rpcbind keeps its socket there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.driving import running, talk

from portlore.probes import PROBES
from portlore.render.plain import plain

BY_NAME = {one.name: one for one in PROBES}


def main() -> None:
    """Do the jobs one after the other."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for line in sys.stdin:
        job = json.loads(line)
        with running(job["server"], job["asks"][0][1]):
            for probe, port in job["asks"]:
                heard = list[tuple[str, bytes]]()
                found = talk(BY_NAME[probe], port, heard=heard)
                said = [(side, data.hex()) for side, data in heard]
                told = None if found is None else plain(found.replace(evidence=()))
                print(json.dumps({"probe": probe, "port": port, "found": told, "heard": said}), flush=True)


if __name__ == "__main__":
    main()
