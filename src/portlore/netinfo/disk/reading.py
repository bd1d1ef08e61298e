"""Edge: an old store's folder as an open domain, for the tools: nobody serves it, nothing is written."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from portlore.errors import NetInfoError
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import PROGRAM, VERSION, Policy, Service
from portlore.netinfo.calling import FAILED, Connection
from portlore.netinfo.disk.folders import SUFFIX, read_store
from portlore.netinfo.handle import Handle
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = logging.getLogger("portlore.netinfo.disk")
READER = Caller("127.0.0.1", 1, local=True)
AS_IT_STANDS = Policy(classic=True, read_only=True)  # who can read the files can read the hashes in them


def names_a_store(domain: str) -> bool:
    """Whether what a tool was given as its domain is the folder of an old store: ``…/TAG.nidb``."""
    return domain.rstrip("/").endswith(SUFFIX) and os.path.isdir(domain)  # noqa: PTH112 - any text


def open_store(where: str) -> Handle:
    """The domain in an old store's folder; a word to the log where it is not whole.

    Reads are answered as by the server; writes are refused: RDONLY. Errors as
    :func:`~portlore.netinfo.disk.folders.read_store` has.
    """
    connection = Disk(where)
    return Handle(connection, connection.tag)


class Disk(Connection):
    """Calls that are answered from an old store, read once."""

    def __init__(self, where: str) -> None:
        super().__init__(READER.address, 0)
        found = read_store(Path(where))
        if not found.is_whole:
            LOG.warning("%s is not whole: see `portlore netinfo recover`", where)
        self.tag = os.fsencode(Path(where).resolve().name.removesuffix(SUFFIX))
        self.domain = found.domain
        self._service = Service(found.domain, self.tag, lambda password, hashed: False, AS_IT_STANDS)

    def call(self, procedure: int, arguments: bytes = b"", program: int = PROGRAM, version: int = VERSION) -> bytes:
        """The results of one call."""
        call = Call(0, program, version, procedure, NOBODY, NOBODY, arguments)
        reply = self._service.answer(READER, encode_call(call))
        told = None if reply is None else decode_reply(reply)
        if told is None or told.accepted != SUCCESS:
            raise NetInfoError(FAILED)
        return told.results

    def calls(self, many: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """The results of many calls."""
        return [self.call(procedure, arguments) for procedure, arguments in many]
