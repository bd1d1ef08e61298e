"""A scan in the form of nmap's ``-oX``, for the programs that read it: python-libnmap, ndiff and many more.

Written after nmap's published document type (nmap.dtd, version 1.05 of the output). A name by number has
``method table`` and confidence 3, an identified one ``probed`` and 10; our judgement is its ``extrainfo`` (ndiff of
Debian 12 stumbles over the results of scripts).
"""

from __future__ import annotations

from portlore.render.scanning import counted
from portlore.render.terminal import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    Row = Mapping[str, Any]  # as portlore.render.observations.row has it

VERSION = "1.05"
STATES = {
    "open": ("open", "syn-ack"),
    "refused": ("closed", "reset"),
    "timeout": ("filtered", "no-response"),
    "unreachable": ("filtered", "host-unreach"),
    "blocked": ("filtered", "admin-prohibited"),
    "closed-early": ("open", "syn-ack"),
}
TYPES = {"syn": "syn", "connect": "connect", "udp": "udp"}
CONFIDENCE = {"certain": 10, "likely": 8, "guess": 5}
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def attributes(**values: object) -> str:
    """Attributes as text: what XML or a terminal would obey is escaped; a value of None is left out."""
    parts = []
    for name, value in values.items():
        if value is not None:
            text = "".join([ESCAPES.get(c, c) for c in clean(str(value))])
            parts.append(f' {name.rstrip("_")}="{text}"')
    return "".join(parts)


def begin(arguments: str, started: float, version: str, scans: Iterable[tuple[str, str, int, str]]) -> Iterator[str]:
    """What comes before the hosts. ``scans``: engine, transport, number of ports, the ports as text."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE nmaprun>\n'
    head = attributes(scanner="portlore", args=arguments, start=int(started), version=version)
    yield f'<nmaprun{head} xmloutputversion="{VERSION}">\n'
    for engine, transport, number, services in scans:
        told = attributes(type=TYPES.get(engine, engine), protocol=transport, numservices=number, services=services)
        yield f"<scaninfo{told}/>\n"
    yield '<verbose level="0"/>\n<debugging level="0"/>\n'


def host(
    address: str, rows: Iterable[Row], rest: Mapping[tuple[str, str], int], began: float, ended: float
) -> Iterator[str]:
    """A host that answered. ``rest``: how many ports that have no row came to (transport, outcome)."""
    rows = sorted(rows, key=lambda row: (row["transport"], row["port"]))
    yield f"<host{attributes(starttime=int(began), endtime=int(ended))}>"
    reason = STATES[rows[0]["outcome"]][1] if rows else next((STATES[o][1] for _, o in rest), "unknown-response")
    yield f"<status{attributes(state='up', reason=reason, reason_ttl=0)}/>\n"
    kind = "ipv6" if ":" in address else "ipv4"
    yield f"<address{attributes(addr=address.partition('%')[0], addrtype=kind)}/>\n<hostnames>\n"
    for name in dict.fromkeys(row["host"] for row in rows if row["host"]):
        yield f"<hostname{attributes(name=name, type='user')}/>\n"
    yield "</hostnames>\n<ports>"
    for state in ("closed", "filtered", "open"):
        told = {key: count for key, count in rest.items() if STATES[key[1]][0] == state and count}
        if told:
            yield f"<extraports{attributes(state=state, count=sum(told.values()))}>\n"
            for (transport, outcome), count in told.items():
                yield f"<extrareasons{attributes(reason=STATES[outcome][1], count=count, proto=transport)}/>\n"
            yield "</extraports>\n"
    for row in rows:
        yield _port(row)
    yield "</ports>\n</host>\n"


def _port(row: Row) -> str:
    state, reason = STATES[row["outcome"]]
    if row["transport"] == "udp" and state == "open":
        reason = "udp-response"
    service = ""
    said = row["said"] or {"names": []}
    if row["protocol"]:
        tunnel = "ssl" if "tls" in row["within"] else None
        told = attributes(name=row["protocol"], product=row["product"], version=row["version"],
                          extrainfo=_judged(row), tunnel=tunnel, method="probed",
                          conf=CONFIDENCE.get(row["confidence"], 5))  # fmt: skip
        service = f"<service{told}/>"
    elif said["names"]:
        service = f"<service{attributes(name=said['names'][0], method='table', conf=3)}/>"
    told = attributes(state=state, reason=reason, reason_ttl=0)
    return f"<port{attributes(protocol=row['transport'], portid=row['port'])}><state{told}/>{service}</port>\n"


def _judged(row: Row) -> str | None:
    return f"{row['judgement']}: {row['why']}" if row["judgement"] and row["why"] else row["judgement"]


def end(summary: Row, ended: float) -> Iterator[str]:
    """What comes after the hosts."""
    hosts = summary["hosts"]
    whole = summary["ended"] == "complete"
    told = f"portlore: {counted(hosts['asked'], 'host')}, {hosts['answered']} answered; missed: {summary['missed']}"
    done = attributes(time=int(ended), elapsed=f"{summary['took']:.2f}", summary=told,
                      exit="success" if whole else "error", errormsg=None if whole else summary["ended"])  # fmt: skip
    yield f"<runstats><finished{done}/>"
    down = hosts["asked"] - hosts["answered"]
    yield f"<hosts{attributes(up=hosts['answered'], down=down, total=hosts['asked'])}/>\n</runstats>\n</nmaprun>\n"
