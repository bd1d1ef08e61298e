"""Edge: ``nidomain``: which domains a machine serves, and making and destroying them. It calls the binder."""

from __future__ import annotations

import os

from portlore.errors import HostError, NetInfoError
from portlore.netinfo import binder
from portlore.netinfo.binder import Cloning, Registration
from portlore.netinfo.client import Binder, resolve, told
from portlore.netinfo.tools.running import Ended, Misused, parse_options, print_json, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

VERBS = ("-l", "-g", "-m", "-d", "-u", "-c")
ORDERS = {"-m": binder.CREATEMASTER, "-d": binder.DESTROYDOMAIN, "-u": binder.UNREGISTER}


def nidomain(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Ask a binder, or tell it something."""
    options = parse_options(arguments, VERBS, 3, credentials=False)
    named = [name for name in VERBS if name in options.flags]
    if len(named) != 1:
        raise Misused
    verb = named[0]
    wanted = {"-l": 0, "-c": 2}.get(verb, 1)
    if not wanted <= len(options.words) <= wanted + 1:
        raise Misused
    words = [os.fsencode(word) for word in options.words[:wanted]]
    host = options.words[wanted] if len(options.words) > wanted else "localhost"
    try:
        asked = Binder(resolve(host), options.timeout)
        if verb == "-l":
            found = asked.registrations()
            if options.json:
                print_json(stdout, [_shown(one) for one in found])
            else:
                stdout.writelines(_line(one) for one in found)
        elif verb == "-g":
            one = Registration(words[0], *asked.find(words[0]))
            if options.json:
                print_json(stdout, _shown(one))
            else:
                stdout.write(_line(one))
        elif verb == "-c":
            asked.order(binder.CREATECLONE, _cloning(*words))
        else:
            asked.order(ORDERS[verb], words[0])
    except NetInfoError as refusal:
        raise Ended(1, b"operation failed - " + told(refusal.status).encode()) from None
    except HostError as error:
        raise Ended(1, b"%b: %b" % (error.found.lower().encode(), os.fsencode(error.asked))) from None


def _cloning(tag: bytes, master: bytes) -> Cloning:
    """A clone's tag, and its master as ``host/tag``."""
    host, slash, master_tag = master.partition(b"/")
    if not host or not slash or not master_tag:
        raise Misused
    address = bytes(map(int, resolve(os.fsdecode(host)).split(".")))
    return Cloning(tag, host, int.from_bytes(address, "big"), master_tag)


def _line(one: Registration) -> bytes:
    return b"tag=%b udp=%d tcp=%d\n" % (one.tag, one.udp_port, one.tcp_port)


def _shown(one: Registration) -> dict[str, Any]:
    return {"tag": text(one.tag), "udp": one.udp_port, "tcp": one.tcp_port}
