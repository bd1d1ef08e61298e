"""Edge of the command: ``portlore netinfo browse``, a domain on a terminal. What keys do to it is in render/browsing.

Calls are made by a thread, so that a slow server, or a directory of 100,000, never stops the screen.
"""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

from portlore.cli.fullscreen import Terminal
from portlore.errors import HostError, InputError, NetInfoError, PortloreError
from portlore.netinfo import calling, client
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import PROGRAM, VERSION, Service
from portlore.netinfo.calling import FAILED, Connection
from portlore.netinfo.handle import Handle, parse_path
from portlore.netinfo.history import Recorder
from portlore.netinfo.passwords import matches
from portlore.netinfo.store import Store
from portlore.netinfo.values import NUMBERS, ROOT, STATUS, NiId, Property
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call
from portlore.render.browsing import FOOT, HEAD, Screen
from portlore.render.directory import Birth, Directory
from portlore.render.visit import Count, Find, Listing, Read, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from portlore.cli.output import Output
    from portlore.render.directory import Change
    from portlore.render.visit import Ask, Visit

    Answer = Callable[[Visit], None]

GRACE = 0.03  # seconds that an answer is waited for before the screen is drawn without it
PATIENCE = 0.3  # seconds that a key waits for what was asked before it
NOWHERE = NiId(0xFFFF_FFF0, 0)  # no directory: a write to it tells who is let in, and writes nothing
PERM = NUMBERS["PERM"]
HINT = "-u USER to write"
REFUSED = ("AUTHERROR", "NOUSER")
ROOT_HERE = Caller("127.0.0.1", 1, local=True)  # may do everything (SPEC 2.6)
LAST_WORDS = 2.0  # seconds that the end waits for a change under way


def browse(args: Namespace, output: Output) -> int:
    """Show a domain until q; :class:`InputError` without a terminal to show it on."""
    gc.enable()  # unlike the other commands this one goes on
    terminal = Terminal(output, "portlore netinfo browse", "run it in a terminal, or use nicl in scripts", pastes=True)
    source = Source(args.domain, *credentials(args))
    try:
        source.enter()
        screen = Screen(args.domain, source.who, sees_all=source.sees_all)
        worker = Worker(source.answer, terminal.wake)
        with terminal:
            _loop(screen, worker, terminal, output)
        if screen.visit.busy:
            _finish(screen.visit, worker, output)
    finally:
        source.close()
    return 0


def _finish(visit: Visit, worker: Worker, output: Output) -> None:
    """Wait for a change under way, and say what came of it, as there is no screen any more."""
    worker.settle(visit, LAST_WORDS)
    unknown = "the last change was not answered; whether it was written is not known"
    output.say(f"portlore: {unknown if visit.busy else visit.note}")


def credentials(args: Namespace) -> tuple[str | None, str]:
    """The user to call as and the password, asked for; ``None``: nobody."""
    if args.user is None and not args.password:
        return None, ""
    from getpass import getpass

    user = args.user or "root"
    try:
        return user, getpass(f"password of {user}: ")
    except EOFError:
        raise InputError(f"the password of {user}", "nothing was typed", "try again") from None


def _loop(screen: Screen, worker: Worker, terminal: Terminal, output: Output) -> None:
    while not screen.done:
        worker.settle(screen.visit, GRACE)
        style, height = terminal.fit(output.style)
        terminal.draw(screen.frame(style, height, worker.asked), screen.caret)
        if worker.asked is None and screen.visit.wanted() is not None:  # what has come into sight
            continue
        keys = terminal.wait()
        if keys is None:
            return
        for key in keys:
            if not screen.heedless(key):
                worker.settle(screen.visit, PATIENCE)
            screen.press(key, max(1, height - HEAD - FOOT - 1))


class Worker:
    """Asks one thing after the other, each in a thread of its own. ``wake`` is called when an answer is there."""

    def __init__(self, answer: Callable[[Ask], Answer], wake: Callable[[], None]) -> None:
        self._answer, self._wake = answer, wake
        self.asked: Ask | None = None
        self._told: Answer | BaseException | None = None
        self._ready = threading.Event()

    def settle(self, visit: Visit, seconds: float) -> None:
        """Hand over what was answered and ask what is wanted, until nothing is or the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            if self.asked is None:
                self.asked = visit.wanted()
                if self.asked is None:
                    return
                self._ready.clear()
                threading.Thread(target=self._work, args=(self.asked,), daemon=True).start()
            if not self._ready.wait(max(0.0, deadline - time.monotonic())):
                return
            told, self.asked = self._told, None
            if isinstance(told, BaseException):
                raise told
            if told is not None:
                told(visit)

    def _work(self, ask: Ask) -> None:
        try:
            self._told = self._answer(ask)
        except BaseException as error:  # noqa: BLE001 - for the thread that shows it
            self._told = error
        self._ready.set()
        self._wake()


class Source:
    """A domain: of a server, or a file that nobody serves. A connection that failed is opened anew by the next call."""

    def __init__(self, where: str, user: str | None, password: str) -> None:
        self.where, self._user, self._password = where, user, password
        self._file = Path(where).is_file()
        self._handle: Handle | None = None
        self.who, self.sees_all = "", False

    def close(self) -> None:
        """Hang up."""
        if self._handle is not None:
            self._handle.close()

    def enter(self) -> None:
        """Open it, and find out whom the calls are made as; an error where there is no such domain or user."""
        asked = f"browsing {self.where}"
        try:
            handle = self._opened()
            try:
                handle.destroy_property(NOWHERE, 0)
                status = "OK"
            except NetInfoError as refusal:
                status = _word(refusal)
        except NetInfoError as refusal:
            status = _word(refusal)
            if status not in REFUSED:
                do = "name HOST/TAG, HOST:PORT/TAG or a file, and see whether it is served"
                raise HostError(asked, client.told(refusal.status), do) from None
        if status in REFUSED and self._user is not None:
            do = "try again, or look without -u"
            raise InputError(f"{asked} as {self._user}", client.told(NUMBERS[status]), do)
        self.who = "read-only" if status == "RDONLY" else self._name(status)

    def _name(self, status: str) -> str:
        connection = self._opened().connection
        if self._file:
            return "root, in the file"
        if self._user is not None:
            return self._user
        if calling.own_uid() == 0 and connection.own_address == connection.address:  # from a reserved port (SPEC 2.6)
            return "root of this machine"
        return f"{'read-only' if status == 'PERM' else 'anonymous'}: {HINT}"

    def _opened(self) -> Handle:
        if self._handle is None:
            if self._file:
                self._handle, self.sees_all = Handle(Stored(self.where)), True
            else:
                password = None if self._user is None else self._password
                self._handle = client.open(self.where, user=self._user, password=password)
        return self._handle

    def answer(self, ask: Ask) -> Answer:
        """Ask; what a visit is to be told then."""
        try:
            return self._asked(ask)
        except NetInfoError as refusal:
            word, text = _word(refusal), client.told(refusal.status)
            if refusal.status == PERM and self._user is None:
                text += f": {HINT}"
            if refusal.status == FAILED:
                self._hang_up()
        except PortloreError as error:
            word, text = "SYSTEMERR" if self._file else "FAILED", error.found
            self._hang_up()
        return lambda visit: visit.failed(ask, word, text)

    def _hang_up(self) -> None:
        if self._handle is not None and not self._file:
            self._handle.close()
            self._handle = None

    def _asked(self, ask: Ask) -> Answer:
        handle = self._opened()
        match ask:
            case Read(number):
                entry = handle.read(NiId(number, 0))
                read = Directory(number, entry.id.instance, tuple((one.name, one.values) for one in entry.properties))
                return lambda visit: visit.read(read)
            case Listing(number):
                entries = [(child, names or ()) for child, names in handle.list_values(NiId(number, 0), b"name")]
                return lambda visit: visit.listed(number, entries)
            case Count(numbers):
                found = handle.children_many(numbers)
                counts = [(number, len(below or ())) for number, below in zip(numbers, found, strict=True)]
                return lambda visit: visit.counted(counts)
            case Find(path):
                steps = _walk(handle, path)
                return lambda visit: visit.found(steps)
            case Write(change, instance):
                written = _write(handle, change, instance)
                return lambda visit: visit.written(written)


def _word(refusal: NetInfoError) -> str:
    return STATUS.get(refusal.status, ("unknown", ""))[0]


def _walk(handle: Handle, path: str) -> Sequence[int]:
    """The directories along a path, from below the root on; NODIR where it ends."""
    steps = [ROOT]
    for key, value in parse_path(path.rstrip("/").encode("utf-8", "surrogateescape")):
        steps.append(handle.lookup(NiId(steps[-1], 0), key, value)[0])
    return steps[1:]


def _write(handle: Handle, change: Change, instance: int) -> int:
    """Make a change of a directory as it was at an instance, STALE else; the number of what was created."""
    one = NiId(change.target, instance)
    if isinstance(change, Birth):
        if not change.born:
            handle.destroy(handle.itself(NiId(change.parent, 0)), one)
            return change.number
        given = tuple(Property(name, values) for name, values in change.properties)
        return handle.create(one, given, change.place)[0].object
    step = change.step
    match step.procedure:
        case "create_property":
            handle.create_property(one, Property(step.name, step.values), step.at)
        case "destroy_property":
            handle.destroy_property(one, step.at)
        case "rename_property":
            handle.rename_property(one, step.at, step.name)
        case "create_value":
            handle.create_value(one, step.at, step.values[0], step.place)
        case "destroy_value":
            handle.destroy_value(one, step.at, step.place)
        case _:
            handle.write_value(one, step.at, step.place, step.values[0])
    return change.number


class Stored(Connection):
    """Calls to a domain in a file that nobody serves, answered here: who may write the file may write all of it."""

    def __init__(self, path: str) -> None:
        super().__init__(ROOT_HERE.address, 0)
        self._store = Store(path)
        self._service = Service(self._store.load(), b"local", matches)
        self._service.history = self._recorder = Recorder(time.time)

    def call(self, procedure: int, arguments: bytes = b"", program: int = PROGRAM, version: int = VERSION) -> bytes:
        """The results of one call; what it wrote is on disk."""
        call = Call(0, program, version, procedure, NOBODY, NOBODY, arguments)
        reply = self._service.answer(ROOT_HERE, encode_call(call))
        batch = self._store.batch(self._service.domain, self._recorder.take())
        if batch.rows or batch.gone:
            try:
                self._store.commit(batch)
            except HostError:
                self._service.domain = self._store.load()
                raise
        told = None if reply is None else decode_reply(reply)
        if told is None or told.accepted != SUCCESS:
            raise NetInfoError(FAILED)
        return told.results

    def calls(self, many: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """The results of many calls."""
        return [self.call(procedure, arguments) for procedure, arguments in many]

    def close(self) -> None:
        """Give the file back."""
        self._store.close()
