"""``portlore.toml``: the layer ``own``. Pure: text in, labels out.

::

    [ports]
    7031 = "billing"
    "8100-8119" = { name = "previews", owner = "web team", transport = "tcp", note = "one per branch" }
"""

from __future__ import annotations

import tomllib

from portlore.errors import InputError, ParseError
from portlore.model import OwnLabel, PortRange, Transport

KEYS = ("name", "owner", "transport", "note")
BOTH = "tcp/udp"
LONGEST = 200  # characters


def parse_labels(text: str, path: str) -> list[OwnLabel]:
    """The labels of a ``portlore.toml``; :class:`ParseError` names the line or key that is wrong."""
    ask = f"reading {path}"
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ParseError(ask, f"not TOML: {error}", "correct it there") from None
    ports = document.get("ports", {})
    if not isinstance(ports, dict):
        raise ParseError(ask, "'ports' is not a table", 'write [ports], then lines such as 7031 = "billing"')
    return [_label(key, value, path, ask) for key, value in ports.items()]


def _label(key: str, value: object, path: str, ask: str) -> OwnLabel:
    number, _, transport = key.partition("/")
    try:
        ports = PortRange.parse(number)
    except InputError as error:
        raise ParseError(ask, f"[ports] {key!r:.40}: {error.found}", "write a port, a range or 53/udp") from None
    cells = {"name": value} if isinstance(value, str) else value
    if (
        not isinstance(cells, dict)
        or set(cells).difference(KEYS)
        or not all(isinstance(v, str) for v in cells.values())
    ):
        do = f'write {number} = "name", or a table with {", ".join(KEYS)}'
        raise ParseError(ask, f"[ports] {key} = {value!r:.60}", do)
    on = cells.get("transport", transport or BOTH).lower()
    if set(on.split("/")).difference(Transport):
        raise ParseError(ask, f"[ports] {key}: transport {on[:40]!r}", "write tcp, udp, sctp, dccp or tcp/udp")
    name = cells.get("name") or cells.get("owner") or cells.get("note")
    if not name:
        raise ParseError(ask, f"[ports] {key}: it says nothing", "give it a name, an owner or a note")
    if any(len(text) > LONGEST for text in cells.values()):
        raise ParseError(ask, f"[ports] {key}: a text of over {LONGEST} characters", "shorten it")
    return OwnLabel(str(ports), on, name, cells.get("owner", ""), cells.get("note", ""), path)
