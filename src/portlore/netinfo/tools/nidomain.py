"""Edge: ``nidomain``: which domains a machine serves, and making and destroying them. It calls the binder."""

from __future__ import annotations

import os

from portlore.errors import HostError, NetInfoError, ProtocolError
from portlore.netinfo import binder
from portlore.netinfo.binder import Cloning, Registration
from portlore.netinfo.client import Binder, resolve, told
from portlore.netinfo.tools.running import TO_DO, Ended, Misused, parse_options, print_json, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

WORDS = {"-l": 0, "-g": 1, "-m": 1, "-d": 1, "-u": 1, "-c": 2, "-a": 2}  # those in front of the host
ORDERS = {"-m": binder.CREATEMASTER, "-d": binder.DESTROYDOMAIN, "-u": binder.UNREGISTER}


def nidomain(arguments: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
    """Ask a binder, or tell it something; :class:`Misused` for anything but one verb with its words."""
    options = parse_options(arguments, WORDS, 3, credentials=False)
    named = [name for name in WORDS if name in options.flags]
    if len(named) != 1:
        raise Misused
    verb = named[0]
    wanted = WORDS[verb]
    if not wanted <= len(options.words) <= wanted + 1:
        raise Misused
    words = [os.fsencode(word) for word in options.words[:wanted]]
    host = options.words[wanted] if len(options.words) > wanted else "localhost"
    with Binder(_address(host), options.timeout) as asked:
        _reach(asked, host)
        try:
            found = _ask(asked, verb, words)
        except NetInfoError as refusal:
            reason = told(refusal.status)
            do = TO_DO.get(refusal.status, "see which domains there are: nidomain -l")
            raise Ended(1, b"operation failed - " + reason.encode(), found=reason, do=do) from None
    if not options.json:
        stdout.writelines(b"tag=%b udp=%d tcp=%d\n" % (one.tag, one.udp_port, one.tcp_port) for one in found or ())
    elif found is None:
        print_json(stdout, done=True)
    else:
        print_json(stdout, servers=[_shown(one) for one in found])


def _ask(asked: Binder, verb: str, words: list[bytes]) -> list[Registration] | None:
    """What a verb gives: servers, or nothing."""
    if verb == "-l":
        return asked.registrations()
    if verb == "-g":
        return [asked.registered(words[0])]
    if verb == "-a":
        try:
            one = asked.registered(words[0])
        except NetInfoError:
            raise Ended(1, b"unknown tag " + words[0]) from None
        asked.order(binder.REGISTER, Registration(words[1], one.udp_port, one.tcp_port))
    elif verb == "-c":
        asked.order(binder.CREATECLONE, _cloning(*words))
    else:
        asked.order(ORDERS[verb], words[0])
    return None


def _address(host: str) -> str:
    try:
        return resolve(host)
    except HostError as error:
        text = b"unknown host - " + os.fsencode(host)
        raise Ended(1, text, asked=host, found=error.found, do=error.do) from None


def _reach(asked: Binder, host: str) -> None:
    """See that there is a binder at all."""
    try:
        asked.call(binder.PING)
    except (NetInfoError, ProtocolError):
        text = b"cannot connect to server " + os.fsencode(host)
        raise Ended(1, text, found=f"no binder answers on {host}", do="see that portlore netinfo serve runs") from None


def _cloning(tag: bytes, master: bytes) -> Cloning:
    """A clone's tag, and its master as ``host/tag``."""
    host, slash, master_tag = master.partition(b"/")
    if not slash:
        raise Ended(1, b"missing '/' in " + master)
    address = bytes(map(int, _address(os.fsdecode(host)).split(".")))
    return Cloning(tag, host, int.from_bytes(address, "big"), master_tag)


def _shown(one: Registration) -> dict[str, Any]:
    return {"tag": text(one.tag), "udp": one.udp_port, "tcp": one.tcp_port}
