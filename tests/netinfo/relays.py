"""A TCP relay on loopback that can be cut, as a network can: nothing passes, and nobody is told."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

HOST = "127.0.0.1"


class Relay:
    """Passes what comes to its port on to another port of this machine."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._door = socket.create_server((HOST, 0))
        self.port: int = self._door.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._lines: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.trap, self.sprung = b"", threading.Event()  # what is looked for in what clients say
        self._trapped: socket.socket | None = None
        self.lets_through = True  # when it is found: whether it goes on before the connection ends
        threading.Thread(target=self._welcome, daemon=True).start()

    def cut(self) -> None:
        """Let nothing pass; what is on its way waits."""
        self._open.clear()

    def mend(self) -> None:
        """Let it pass again, connections that were cut first of all."""
        self._open.set()

    def reset(self) -> None:
        """End the connections that there are."""
        lines, self._lines = self._lines, []
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _welcome(self) -> None:
        while True:
            try:
                line, _ = self._door.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._join, args=(line,), daemon=True))
            self._threads[-1].start()

    def _join(self, line: socket.socket) -> None:
        self._open.wait()
        try:
            other = socket.create_connection((HOST, self._to))
        except OSError:
            line.close()
            return
        self._lines += [line, other]
        for one in (line, other):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pass, args=(other, line), daemon=True)
        back.start()
        with line, other:
            self._pass(line, other)
            back.join()

    def _pass(self, one: socket.socket, two: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                self._open.wait()
                if self.trap and self.trap in data:
                    self.trap, self._trapped = b"", two
                    if not self.lets_through:
                        self.sprung.set()
                        break
                elif self._trapped is one:  # the answer: it was done
                    self.sprung.set()
                    break
                two.sendall(data)
        for each in (one, two):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()
        self.mend()
        for one in self._threads:
            self.reset()
            one.join(10)
