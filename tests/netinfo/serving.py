"""A server and a binder for tests: threads, one domain each, on free ports of this machine."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.binder import Binder, Outside, Registration
from portlore.netinfo.domain import Domain
from portlore.netinfo.passwords import matches
from portlore.netinfo.values import Record, properties
from portlore.oncrpc.records import RecordReader, marked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = Callable[[Caller, bytes], bytes | None]

VECTORS = Path(__file__).parent.parent / "vectors/netinfo"
HOST = "127.0.0.1"


def start_domain(file: str = "start.records.json") -> Domain:
    """A store; the one before the first of the recorded calls."""
    records = json.loads((VECTORS / file).read_text("utf-8"))["records"]
    return Domain.of(
        Record(one["id"], one["instance"], one["parent"], properties(one["props"]), tuple(one["children"]))
        for one in records
    )


@contextmanager
def listening(answer: Answer, datagrams: Answer | None = None) -> Iterator[int]:
    """A server on a port of its own, TCP, and UDP with ``datagrams``."""
    lock = threading.Lock()
    with socket.create_server((HOST, 0)) as door, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as box:
        port = door.getsockname()[1]
        lines: list[socket.socket] = []

        def talk(line: socket.socket, caller: Caller) -> None:
            reader = RecordReader()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while data := line.recv(1 << 16):
                    for record in reader.feed(data):
                        with lock:
                            reply = answer(caller, record)
                        if reply is not None:
                            line.sendall(marked(reply))
            except OSError:
                pass
            finally:
                line.close()

        def welcome() -> None:
            while True:
                try:
                    line, (address, number) = door.accept()
                except OSError:
                    return
                lines.append(line)
                threading.Thread(target=talk, args=(line, Caller(address, number, True)), daemon=True).start()

        def read_box(answered: Answer) -> None:
            while True:
                record, (address, number) = box.recvfrom(1 << 16)
                if not record:  # from ourselves: the end
                    return
                reply = answered(Caller(address, number, True), record)
                if reply is not None:
                    box.sendto(reply, (address, number))

        threads = [threading.Thread(target=welcome, daemon=True)]
        if datagrams is not None:
            box.bind((HOST, port))
            threads.append(threading.Thread(target=read_box, args=(datagrams,), daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield port
        finally:
            _wake(door, box, port, lines)
            for thread in threads:
                thread.join(5)


def _wake(door: socket.socket, box: socket.socket, port: int, lines: list[socket.socket]) -> None:
    """End the threads: what is shut down wakes who waits for it, and so does an empty datagram."""
    for line in (door, *lines):
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    if box.getsockname()[1] == port:
        box.sendto(b"", (HOST, port))


@contextmanager
def serving(tag: bytes = b"conv", domain: Domain | None = None, parent: bytes | None = None) -> Iterator[int]:
    """A domain, served as the originals did: the port. ``parent``: the tag of the domain above, on this machine."""
    above = None if parent is None else lambda: (parent, 0x7F000001)
    service = Service(domain or start_domain(), tag, matches, Policy(classic=True), b"alpha", above)
    with listening(lambda caller, record: service.answer(caller, record)) as port:
        yield port


@contextmanager
def binding(*registered: tuple[bytes, int]) -> Iterator[int]:
    """A binder that knows servers by their tags: its port."""
    outside = Outside(
        alive=lambda tag, port: True,
        bind=lambda tag, client, address: False,
        create_master=lambda tag: True,
        destroy=lambda tag: True,
        root_password=lambda password: password == b"rootpw",
        alias_of=lambda tag, address: None,
    )
    binder = Binder(outside)
    for tag, port in registered:
        binder.register(Registration(tag, port, port))
    with listening(
        lambda caller, record: binder.answer(caller, record, udp=False),
        lambda caller, record: binder.answer(caller, record, udp=True),
    ) as port:
        yield port
