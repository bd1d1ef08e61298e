"""Edge: the UDP engine: one socket asks all ports, each with the question of the protocol that is usual there.

An answer is ``open``; ICMP port unreachable, which the socket's error queue tells with the port it is about, is
``refused``; silence is ``timeout`` and may be an open port that did not understand the question. Most hosts limit their
ICMP errors (Linux: one a second to each asker after the first few; RFC 1812 section 4.3.2.8, RFC 4443 section 2.4),
so that closed ports look silent when asked fast. Of hosts that are there, silent ports are therefore asked once more,
one a second: all of them where it can be waited for, else as many as show whether most of them are closed.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from array import array

from portlore.scan.account import NEGLIGIBLE, Tally
from portlore.scan.pace import Pace
from portlore.scan.plan import BLOCKED, OPEN, REFUSED, TIMEOUT, UNASKED, UNREACHABLE
from portlore.scan.sockets import ICMP, ICMP6, LINUX, NO_SUCH_PORT, PROHIBITED, RECVERR, Places, errors, unasked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portlore.probes import Probe
    from portlore.scan.plan import Account, Block, Report, Settings
    from portlore.scan.sockets import Error

BATCH = 64  # datagrams between two looks at what came back
BUFFER = 1 << 22  # bytes for answers that come while others are asked
LEAST_TIMEOUT = 0.1  # seconds, for the first try: programs answer, not kernels
TICK = 0.2  # seconds between reports of progress
FINAL = {(ICMP, 3), (ICMP, 11), (ICMP, 12), (ICMP6, 1), (ICMP6, 3), (ICMP6, 4)}  # errors that end it: origin and type
PATIENTLY = 30  # ports of a host at most that are asked one a second
EACH = 1.05  # seconds: icmp_ratelimit is 1,000 ms (Linux, Documentation/networking/ip-sysctl.rst)
ENOUGH = 3  # of these without a refusal, and the rest are silent for another reason
NO_ROOM_PAUSE = 0.005  # seconds
NO_ROOM = (errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN)


class Udp:
    """Asks UDP ports (:class:`portlore.scan.plan.Engine`)."""

    def __init__(self, questions: dict[int, Probe] | None = None) -> None:
        self._questions = usual_questions() if questions is None else questions

    def run(
        self, block: Block, outcomes: bytearray, settings: Settings, report: Report, tick: Callable[[Account], None]
    ) -> Account:
        """See the protocol."""
        places = Places(block)
        with socket.socket(places.family, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)  # or a neighbour that is not there holds it up
            if LINUX:
                sock.setsockopt(*RECVERR[block.version], 1)
            return _Run(sock, places, self._questions, outcomes, settings, report, tick).all()


class _Run:
    """One block, on one socket."""

    def __init__(
        self,
        sock: socket.socket,
        places: Places,
        questions: dict[int, Probe],
        outcomes: bytearray,
        settings: Settings,
        report: Report,
        tick: Callable[[Account], None],
    ) -> None:
        self.sock, self.places, self.questions, self.outcomes = sock, places, questions, outcomes
        self.settings, self.report, self.tick = settings, report, tick
        self.pace = Pace(settings.rate, settings.ceiling, settings.patience)
        self.tally = Tally()
        self.began = self.ticked = time.perf_counter()
        self.end = self.began + settings.budget if settings.budget else float("inf")
        self.address_of = {text: place for place, text in enumerate(places.texts)}
        self.port_of = {port: place for place, port in enumerate(places.ports)}
        self.asked = array("d", bytes(8 * len(outcomes)))  # when, the last time
        self.poll = select.poll()
        self.poll.register(sock, select.POLLIN)
        sock.bind(("", 0))
        self.own_port = sock.getsockname()[1]
        self.refused = 0
        self.walk: Iterator[int] = iter(())
        self.held: list[int] = []  # what there was no room for

    def all(self) -> Account:
        """All rounds, and the patient one."""
        over = False
        for tries in range(self.settings.tries):
            enough = tries >= 2 and self.tally.missed(self.outcomes.count(OPEN)) < NEGLIGIBLE
            if UNASKED not in self.outcomes or enough:
                break
            self.tally.begin_round()
            self.pace.begin_round()
            self.walk = unasked(self.outcomes, self.settings.seed)
            if over := not self._round(tries):
                break
        if not over:
            self._ask_patiently()
        self._end(over)
        return self._account()

    def _round(self, tries: int) -> bool:
        """Ask all without an outcome once; whether there was time for it."""
        pace = self.pace
        more = True
        while more:
            now = time.perf_counter()
            if now >= self.end:
                return False
            self._tell(now)
            asked = 0
            for _ in range(min(pace.allowance(now), BATCH)):
                if (probe := self.held.pop() if self.held else next(self.walk, -1)) < 0:
                    more = False
                    break
                asked += self._ask(probe, now, again=tries > 0)
                if self.held:
                    break
            pace.sent(now, asked)
            self._hear(NO_ROOM_PAUSE if self.held else 0.0 if asked else pace.wait(now))
        patience = min(max(pace.timeout(tries), LEAST_TIMEOUT * (1 << tries)), self.settings.patience)
        return self._wait(time.perf_counter() + patience)

    def _wait(self, until: float) -> bool:
        """Hear what comes until then; whether there was time for it."""
        while UNASKED in self.outcomes and (now := time.perf_counter()) < until:
            if now >= self.end:
                return False
            self._tell(now)
            self._hear(min(until, self.end) - now)
        return True

    def _ask(self, probe: int, now: float, *, again: bool) -> bool:
        """Send a probe; whether it went out."""
        where = self.places.of(probe)
        data = question(self.questions.get(int(where[1])), str(where[0]), int(where[1]))
        for _ in range(8):
            try:
                self.sock.sendto(data, where)
            except OSError as error:
                code = error.errno
                if not self._hear(0.0):  # or it was the error of an earlier one
                    break
            else:
                self.asked[probe] = now
                self.tally.sent += 1
                self.tally.reasked += again
                return True
        else:
            return False
        if code in NO_ROOM:
            self.pace.limited(now)
            self.held.append(probe)
        else:
            self.outcomes[probe] = BLOCKED if code in (errno.EACCES, errno.EPERM) else UNREACHABLE
            self.tally.local += 1 - again
        return False

    def _hear(self, timeout: float) -> int:
        """Take what has come, waiting at most so many seconds for it; how much that was."""
        if not self.poll.poll(timeout * 1000):
            return 0
        heard, asked = 0, 0.0
        now = time.perf_counter()
        if LINUX:
            for error, _, sent_to in errors(self.sock):
                heard += 1
                if (probe := self._probe(sent_to)) >= 0 and error[:2] in FINAL:
                    asked = self.asked[probe] if error in NO_SUCH_PORT else asked  # others are not the host's
                    self._fail(probe, error)
        while True:
            try:
                _, sender = self.sock.recvfrom(2048)
            except BlockingIOError:
                break
            except OSError:
                heard += 1
                continue  # an error that was on its way out; the queue has it too
            heard += 1
            if (probe := self._probe(sender)) >= 0 and self.outcomes[probe] == UNASKED:
                asked = self.asked[probe]
                if sender[1] == self.own_port and self._is_ours(sender):
                    self._fail(probe, next(iter(NO_SUCH_PORT)))  # our own question, so that nobody else is there
                    continue
                self.outcomes[probe] = OPEN
                self.tally.answers[-1] += 1
                self.tally.opened[-1] += 1
                self.report(probe, "udp answer", now - asked)
        if asked:
            self.pace.answered(now, heard, now - asked if self.tally.rounds == 1 else None)
        self.tally.sample(now, self.refused)
        return heard

    def _probe(self, place: tuple[str, int]) -> int:
        """Which probe went there; -1 for none."""
        address = self.address_of.get(place[0].partition("%")[0], -1)
        port = self.port_of.get(place[1], -1)
        return -1 if address < 0 or port < 0 else address * len(self.places.ports) + port

    def _is_ours(self, sender: tuple[str | int, ...]) -> bool:
        with socket.socket(self.places.family, socket.SOCK_DGRAM) as other:
            return other.connect_ex(sender) == 0 and other.getsockname()[0] == sender[0]

    def _fail(self, probe: int, error: Error) -> None:
        if self.outcomes[probe] != UNASKED:
            return
        if error in NO_SUCH_PORT:
            self.outcomes[probe] = REFUSED
            self.refused += 1
            self.tally.answers[-1] += 1
        else:
            self.outcomes[probe] = BLOCKED if error in PROHIBITED else UNREACHABLE
            self.tally.icmp += 1

    def _ask_patiently(self) -> None:
        """Ask hosts that are there once a second: all that is left, or a few to know whether there is a limit."""
        tally, outcomes = self.tally, self.outcomes
        size = len(self.places.ports)
        left: dict[int, list[int]] = {}
        for place in range(len(self.places.texts)):
            row = outcomes[place * size : (place + 1) * size]
            if UNASKED in row and (REFUSED in row or OPEN in row):
                silent = [place * size + at for at in range(size) if not row[at]]
                left[place] = silent if len(silent) <= PATIENTLY else silent[:: len(silent) // ENOUGH][:ENOUGH]
        misses, refused = dict.fromkeys(left, 0), self.refused
        if left:
            tally.begin_round()
        while left:
            now = time.perf_counter()
            for probes in left.values():
                self.pace.sent(now, self._ask(probes[-1], now, again=True))
            if not self._wait(now + EACH):
                break
            for place, probes in list(left.items()):
                misses[place] = misses[place] + 1 if outcomes[probes.pop()] == UNASKED else 0
                if not probes or misses[place] >= ENOUGH:
                    del left[place]
        tally.limited = self.refused - refused >= ENOUGH - 1
        if tally.limited and UNASKED in outcomes:
            tally.note(
                "The hosts limit their ICMP errors (Linux: one a second): of the silent UDP ports most are closed. Ask "
                f"fewer ports (up to {PATIENTLY} silent ones of a host are asked slowly enough) to tell them apart."
            )
        elif tally.limited:
            tally.note("The hosts limit their ICMP errors (Linux: one a second); the scan slowed down to that.")

    def _tell(self, now: float) -> None:
        if now - self.ticked >= TICK:
            self.ticked = now
            self.tick(self._account())

    def _end(self, over: bool) -> None:
        """Silence is an outcome now, but not of ports that there was no time to ask at all."""
        unheard = [*self.held, *self.walk] if over and self.tally.rounds == 1 else []
        self.outcomes[:] = self.outcomes.replace(bytes([UNASKED]), bytes([TIMEOUT]))
        for probe in unheard:
            self.outcomes[probe] = UNASKED
        if over:
            some = f"{len(unheard):,} ports were not asked at all" if unheard else "some ports were asked less often"
            self.tally.note(f"The time for this scan was over: {some}.")
        if not LINUX:
            self.tally.note("This system does not tell which UDP ports were refused: closed ones look silent.")

    def _account(self) -> Account:
        return self.tally.account(self.outcomes.count(OPEN), self.pace.rtt, time.perf_counter() - self.began)


def question(probe: Probe | None, host: str, port: int) -> bytes:
    """What a probe says first; nothing where none is usual."""
    from portlore.probes import Asked

    return b"" if probe is None else next(probe.dialogue(Asked(host, port, "udp")), b"")


def usual_questions() -> dict[int, Probe]:
    """The probe that is usual on each UDP port, by the ports of its protocol's services and its own."""
    from portlore.opening import load
    from portlore.probes import PROBES, PROTOCOLS

    book, found = load(), dict[int, "Probe"]()
    for probe in sorted((one for one in PROBES if one.transport == "udp" and one.gentle), key=lambda one: one.rank):
        services = PROTOCOLS[probe.protocol].services
        registered = [facts.port for name in services for facts in book.service(name, "udp")[0]]
        for port in (*probe.ports, *registered):
            found.setdefault(port, probe)
    return found
