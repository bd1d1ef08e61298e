"""The public verbs, answered from the data that :func:`portlore.load` opens."""

from __future__ import annotations

from portlore.opening import load
from portlore.searching import search_book

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.model import Answer, Change, Hit, PortFacts
    from portlore.seen import Listener

_names: dict[str, dict[int, str | None]] = {}  # by transport, what has been asked before


def lookup(number: int, transport: str = "tcp") -> PortFacts:
    """Everything said of one port on one transport.

    ``number``: 0 to 65535. ``transport``: ``tcp`` ``udp`` ``sctp`` ``dccp``. Status words and rules: RFC 6335 section 6
    and the registry itself. Raises :class:`portlore.InputError` for anything else, :class:`portlore.DataError` when the
    data cannot be opened.
    """
    return load().lookup(number, transport)


def name(number: int, transport: str) -> str | None:
    """The preferred registered service name of a port, or None.

    Made for millions of calls a second: what was asked before is kept. Raises :class:`portlore.InputError` for a
    number outside 0 to 65535 or an unknown transport.
    """
    try:
        return _names[transport][number]
    except KeyError:
        found = load().name(number, transport)
        _names.setdefault(transport, {})[number] = found
        return found


def ask(*texts: str) -> Answer:
    """Answer questions as people write them: ``703``, ``53/udp``, ``600-1023``, ``ssh``.

    Returns :class:`portlore.Answer`: ``.ports``, and ``.services`` for names without a port; both empty for a name that
    nobody has. Raises :class:`portlore.InputError` for a text that is no question, with what was probably meant.
    """
    return load().ask(*texts)


def search(words: str, *, limit: int = 20) -> list[Hit]:
    """Find ports by words: names, descriptions, assignees, claims; best first, at most ``limit``."""
    return search_book(load(), words, limit=limit)


def listening(*, connections: bool = False, all_namespaces: bool = False, full: bool = False) -> list[Listener]:
    """What listens on this machine, by port: each socket with its owners and the judgement on it.

    ``connections``: every other socket too, which is not judged. ``all_namespaces``: other network namespaces (Linux,
    root). ``full``: with command line, directory and start of each process. Raises :class:`portlore.HostError` where
    this machine shows nothing. Outside Linux psutil is needed.
    """
    from portlore.listeners import Machine
    from portlore.opening import open_programs

    machine = Machine(load(), open_programs(), lambda text: None)
    seen = machine.look(connections=connections, all_namespaces=all_namespaces)
    return machine.with_details(seen.listeners) if full else list(seen.listeners)


def history(query: str) -> list[Change]:
    """Every recorded change of a port, a range or a service name, oldest first, dated between two snapshots.

    The oldest snapshot is of 2005-12-22, the next of 2013-02-18. Raises :class:`portlore.InputError` as :func:`ask`.
    """
    from portlore.chronicle import history_of

    return history_of(load(), query)
