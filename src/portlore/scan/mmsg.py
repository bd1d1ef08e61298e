"""Edge: many packets in one system call (sendmmsg(2), recvmmsg(2)), from and into NumPy arrays.

``struct mmsghdr`` is an array too, so that a batch of a thousand costs no Python for each packet.
"""

from __future__ import annotations

import ctypes
import errno
import threading
from queue import SimpleQueue

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Numbers = NDArray[np.int64]

MOST = 1024  # messages of a batch: UIO_MAXIOV
SLICE = 256  # messages sent before their answers are taken in: more of them fall out of the processor's cache (by 10 %)
DONTWAIT = 0x40


class _Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """``struct mmsghdr``: a header, and how many bytes of the message went through."""

    _fields_ = (("header", _Header), ("size", ctypes.c_uint32))


class _Piece(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


MESSAGE, PIECE = np.dtype(_Message), np.dtype(_Piece)
_libc = ctypes.CDLL(None, use_errno=True)
sendmmsg, recvmmsg = _libc.sendmmsg, _libc.recvmmsg
sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
recvmmsg.argtypes = (*sendmmsg.argtypes, ctypes.c_void_p)


class _Batch:
    """Rows of bytes, with a message header for each."""

    def __init__(self, count: int, size: int) -> None:
        self.rows = np.zeros((count, size), np.uint8)
        self._pieces = np.zeros(count, PIECE)
        self._pieces["base"] = self.rows.ctypes.data + np.arange(count, dtype=np.uintp) * size
        self._pieces["size"] = size
        self._messages = np.zeros(count, MESSAGE)
        self._heads = self._messages["header"]
        self._heads["pieces"] = self._pieces.ctypes.data + np.arange(count, dtype=np.uintp) * PIECE.itemsize
        self._heads["piece_count"] = 1
        self._place = self._messages.ctypes.data


class Outbox(_Batch):
    """Sends :attr:`rows`, each to one of some socket addresses (rows of bytes, as the kernel has them)."""

    def __init__(self, size: int, names: Bytes) -> None:
        super().__init__(MOST, size)
        self._names = np.ascontiguousarray(names)
        self._heads["name_size"] = names.shape[1]
        self._heads["name"] = self._names.ctypes.data
        self._single = len(names) == 1

    def address(self, which: NDArray[np.uint32]) -> None:
        """Say to which of the addresses the first rows go."""
        if not self._single:
            self._heads["name"][: len(which)] = self._names.ctypes.data + which.astype(np.uintp) * self._names.shape[1]

    def send(self, descriptor: int, begin: int, end: int, inbox: Inbox) -> tuple[int, int]:
        """Send rows, and gather what comes meanwhile.

        Back come how many were taken, and the error (errno, 0 for none) of the first of them.
        """
        at = begin
        while at < end:
            sent = sendmmsg(descriptor, self._place + at * MESSAGE.itemsize, min(SLICE, end - at), DONTWAIT)
            if sent < 0:
                return at - begin, 0 if at > begin else ctypes.get_errno()
            at += sent
            inbox.gather()
        return at - begin, 0


class Inbox(_Batch):
    """Takes in packets of a socket, as many as there are and find room, cut to a size. One thread at a time."""

    def __init__(self, count: int, size: int, descriptor: int) -> None:
        super().__init__(count, size)
        self._descriptor, self._held = descriptor, 0

    def gather(self) -> None:
        """Take in what has come; :meth:`receive` gives it."""
        if self._held == len(self.rows):
            return
        place = self._place + self._held * MESSAGE.itemsize
        count = recvmmsg(self._descriptor, place, len(self.rows) - self._held, DONTWAIT, None)
        if count >= 0:
            self._held += count
        elif (code := ctypes.get_errno()) not in (errno.EAGAIN, errno.EINTR, errno.ENETDOWN):
            raise OSError(code, "recvmmsg")

    def receive(self) -> tuple[Bytes, Numbers]:
        """What has come: rows, and how many bytes of each are real. Good until the next call."""
        self.gather()
        count, self._held = self._held, 0
        return self.rows[:count], self._messages["size"][:count].astype(np.int64)


class Assistant:
    """A thread that sends, so that two processors work on it: nearly all of sending is the kernel's, without Python.

    One batch at a time: :meth:`begin`, then :meth:`end` for what became of it.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._jobs: SimpleQueue[tuple[Outbox, int, int] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[int, int] | OSError] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def begin(self, box: Outbox, descriptor: int, end: int) -> None:
        """Have the first rows of an outbox sent."""
        self._jobs.put((box, descriptor, end))

    def end(self) -> tuple[int, int]:
        """Wait for it, and give what :meth:`Outbox.send` gave; what came meanwhile is in the inbox."""
        done = self._done.get()
        if isinstance(done, OSError):
            raise done
        return done

    def close(self) -> None:
        """End the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            box, descriptor, end = job
            try:
                self._done.put(box.send(descriptor, 0, end, self._inbox))
            except OSError as error:
                self._done.put(error)
