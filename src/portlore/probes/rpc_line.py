"""Calls of ONC RPC in a dialogue: framed, numbered, each with its reply. Pure, but it remembers where it is."""

from __future__ import annotations

from collections.abc import Generator

from portlore.oncrpc import message
from portlore.oncrpc.message import Call, Reply
from portlore.oncrpc.records import RecordReader, RecordTooLong, marked
from portlore.oncrpc.xdr import XdrError
from portlore.probes.dialogue import MOST_BYTES

Exchange = Generator[bytes, bytes, Reply | None]

XID = 0x504C_0000
LONGEST_RECORD = 1 << 20


def number_of(program: int, call: int) -> int:
    """The xid of a line's call, the first being 1."""
    return (XID + call ^ program << 8) & 0xFFFF_FFFF


class Line:
    """Calls on one connection or socket: frames them, numbers them, finds the reply to each. Mutable."""

    def __init__(self, transport: str) -> None:
        self._stream = transport == "tcp"
        self._reader = RecordReader(LONGEST_RECORD, 1024)
        self._calls = self._xid = 0
        self.sent = self.heard = b""

    def call(self, program: int, version: int, procedure: int) -> Exchange:
        """Call without arguments and credential; ``None`` for silence and for what is no reply to it."""
        self._calls += 1
        self._xid = number_of(program, self._calls)  # of its program, so that no other's reply can be taken for it
        asks = Call(self._xid, program, version, procedure, message.NOBODY, message.NOBODY, b"")
        record = message.encode_call(asks)
        self.sent = marked(record) if self._stream else record
        data = yield self.sent
        self.heard, taken = data, 0
        while data:
            taken += len(data)
            for found in self._records(data):
                try:
                    reply = message.decode_reply(found)
                except XdrError:
                    return None
                return reply if reply.xid == self._xid else None
            if not self._stream or taken > MOST_BYTES or not self._may_go_on():
                return None
            data = yield b""
            self.heard += data if len(self.heard) < MOST_BYTES else b""
        return None

    def _records(self, data: bytes) -> list[bytes]:
        if not self._stream:
            return [data]
        try:
            return self._reader.feed(data)
        except RecordTooLong:
            self._stream = False  # not RPC: nothing more is to be heard
            return []

    def _may_go_on(self) -> bool:
        """Whether what has begun can be our reply: its number is behind the record mark."""
        return len(self.heard) < 8 or self.heard[4:8] == self._xid.to_bytes(4, "big")
