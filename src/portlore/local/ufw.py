"""ufw's application profiles: ``ports=80,443/tcp|53`` under a heading with the profile's name."""

from __future__ import annotations

from portlore.model import LAST_PORT, LocalLine, PortRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def parse(text: str, path: str, wanted: Collection[int]) -> Iterator[tuple[PortRange, LocalLine]]:
    """The ports of the profiles of one file."""
    name = title = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            name, title = line[1:-1], ""
        elif line.startswith("title="):
            title = line[6:]
        elif line.startswith("ports=") and name:
            for part in line[6:].split("|"):
                numbers, _, transport = part.partition("/")
                for number in numbers.split(","):
                    first, _, last = number.strip().partition(":")
                    last = last or first
                    if not (
                        first.isdigit() and last.isdigit() and len(last) <= 5 and int(first) <= int(last) <= LAST_PORT
                    ):
                        continue
                    ports = PortRange(int(first), int(last))
                    if transport in ("", "tcp", "udp") and (not wanted or any(n in ports for n in wanted)):
                        yield ports, LocalLine("ufw", path, "", name, transport or "tcp/udp", title)
