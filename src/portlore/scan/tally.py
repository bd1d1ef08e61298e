"""What a scan has come to: counts of outcomes and hosts, the account, and the summary that is made of them. Pure."""

from __future__ import annotations

from portlore.scan.plan import (
    BLOCKED,
    CLOSED_EARLY,
    CODES,
    ELSEWHERE,
    OPEN,
    REFUSED,
    TIMEOUT,
    UNASKED,
    UNREACHABLE,
    Account,
)
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from portlore.scan.plan import Block

SILENT = bytes((UNASKED, TIMEOUT, UNREACHABLE, ELSEWHERE))  # no word of the host itself
TARPIT_LEAST, TARPIT_SHARE = 64, 0.9  # open ports of a host, and of those that were asked, that are too many to be true
MOST_NOTES = 20


class Tarpit(Value):
    """A host on which nearly everything is open: ``count`` of ``asked`` ports of a transport."""

    address: str
    transport: str
    count: int
    asked: int

    def __str__(self) -> str:
        return (
            f"{self.address}: {self.count:,} of {self.asked:,} {self.transport.upper()} ports are open: most likely "
            "one thing answers for all of them (a tarpit, a proxy, a firewall), so they are not identified one by one"
        )


class Tally:
    """Counts, block by block; :meth:`plain` and :meth:`of` take it to a state file and back."""

    def __init__(self) -> None:
        self.codes = [0] * 256
        self.hosts = self.answered = self.open_hosts = 0
        self.account = Account()
        self.tarpits: list[Tarpit] = []
        self._last: tuple[int, ...] = ()  # the addresses of the block before: TCP and UDP of a host are one host
        self._heard: set[int] = set()
        self._opened: set[int] = set()

    def add(self, block: Block, outcomes: bytearray, account: Account) -> list[int]:
        """Count a finished block; the places of the addresses in it that are tarpits."""
        for code in (*CODES, UNASKED):
            self.codes[code] += outcomes.count(code)
        self.account = joined(self.account, account)
        if block.addresses != self._last:
            self.hosts += len(block.addresses)
            self._last, self._heard, self._opened = block.addresses, set(), set()
        width, pits = len(block.ports), []
        quiet = outcomes.count(OPEN) + outcomes.count(REFUSED) + outcomes.count(CLOSED_EARLY) == 0
        for place in () if quiet and not outcomes.count(BLOCKED) else range(len(block.addresses)):
            row = outcomes[place * width : (place + 1) * width]
            opened = row.count(OPEN)
            if place not in self._heard and (opened or row.translate(None, SILENT)):
                self._heard.add(place)
                self.answered += 1
            if opened and place not in self._opened:
                self._opened.add(place)
                self.open_hosts += 1
            if opened >= TARPIT_LEAST:
                asked = width - row.count(ELSEWHERE) - row.count(UNASKED)
                if opened >= TARPIT_SHARE * asked:
                    pits.append(place)
        return pits

    def plain(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "codes": {str(code): count for code, count in enumerate(self.codes) if count},
            "hosts": [self.hosts, self.answered, self.open_hosts],
            "account": account_row(self.account),
            "tarpits": [[pit.address, pit.transport, pit.count, pit.asked] for pit in self.tarpits],
            "last": [sorted(self._heard), sorted(self._opened)],
        }

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Tally:
        """The inverse of :meth:`plain`; ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        tally = cls()
        for code, count in plain["codes"].items():
            tally.codes[int(code)] = int(count)
        tally.hosts, tally.answered, tally.open_hosts = map(int, plain["hosts"])
        account = dict(plain["account"])
        tally.account = Account(**account | {"notes": tuple(map(str, account["notes"]))})
        tally.tarpits = [Tarpit(str(a), str(t), int(count), int(asked)) for a, t, count, asked in plain["tarpits"]]
        tally._heard, tally._opened = (set(map(int, places)) for places in plain["last"])
        return tally

    def follow(self, block: Block) -> None:
        """Go on after a block that an earlier run has counted."""
        self._last = block.addresses

    def outcomes(self) -> dict[str, int]:
        """How many ports came to which outcome; ``not-asked`` for what an end in between left."""
        found = {str(outcome): self.codes[code] for code, outcome in CODES.items()}
        return found | {"not-asked": self.codes[UNASKED]}


def joined(first: Account, second: Account) -> Account:
    """The account of two parts of a scan."""
    answered = first.answered + second.answered
    sent = first.sent + second.sent
    rtt = (first.rtt * first.answered + second.rtt * second.answered) / answered if answered else 0.0
    if not (first.rtt and second.rtt):
        rtt = first.rtt or second.rtt
    return Account(
        sent,
        answered,
        first.reasked + second.reasked,
        first.unanswered + second.unanswered,
        first.icmp + second.icmp,
        max(first.rounds, second.rounds),
        rtt,
        (first.lost * first.sent + second.lost * second.sent) / sent if sent else 0.0,
        1 - (1 - first.missed) * (1 - second.missed),
        first.took + second.took,
        tuple(dict.fromkeys((*first.notes, *second.notes)))[:MOST_NOTES],
    )


def account_row(account: Account) -> dict[str, Any]:
    """An account as JSON has it."""
    row = {name: getattr(account, name) for name in account.__fields__}
    for name in ("rtt", "lost", "missed", "took"):
        row[name] = round(row[name], 9)
    return row | {"notes": list(account.notes)}


def missed_text(outcomes: dict[str, int], account: Account, tries: int, transports: tuple[str, ...]) -> str:
    """What may have been missed, in whole sentences."""
    silent, unasked = outcomes["timeout"], outcomes["not-asked"]
    away = outcomes["unreachable"] + outcomes["blocked"]
    told = [f"{_ports(unasked, 'was', 'were')} not asked to the end"] if unasked else []
    if silent:
        times = "once" if tries == 1 else f"up to {tries} times{' each' if silent > 1 else ''}"
        told.append(f"{_ports(silent)} never answered, asked {times}")
        if "tcp" in transports:
            told.append(f"the chance that an open one is among them because packets were lost is {chance(account)}")
        if "udp" in transports:
            told.append("a UDP port that is open may stay silent to a question that it does not understand")
    elif sum(outcomes.values()) > unasked:
        told.append("no port that was asked stayed silent")
    if away:
        told.append(f"{_ports(away)} could not be reached: whether open, nobody knows")
    return "; ".join(told)


def _ports(number: int, one: str = "", several: str = "") -> str:
    verb = one if number == 1 else several
    return f"{number:,} port{'' if number == 1 else 's'}{verb and f' {verb}'}"


def chance(account: Account) -> str:
    """The chance that an open port was missed, as people read it."""
    percent = 100 * account.missed
    if percent < 0.0001:
        return "below 0.0001 %"
    return f"about {percent:.2g} %" if percent < 99.5 else "nearly certain"
