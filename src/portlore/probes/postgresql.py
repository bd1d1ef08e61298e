"""PostgreSQL's frontend/backend protocol 3 (its manual, part VII, "Message Flow"), without a log-in. Pure.

A startup message with a user would begin one. So the server is asked for TLS, which it answers with a letter; and then,
within TLS where it is offered, for a version of the protocol that there is not, which it refuses in PostgreSQL's own
form before it asks who we are. Its version it tells only after a log-in.
"""

from __future__ import annotations

import re

from portlore.observed import Confidence, Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser
from portlore.probes.gathering import bounded, evidence, hear, starttls, text
from portlore.probes.tls import through_tls

GSS = bytes.fromhex("0000000804d21630")  # GSSENCRequest, 1234.5680
TLS = bytes.fromhex("0000000804d2162f")  # SSLRequest, 1234.5679
CANCEL = bytes.fromhex("0000001004d2162e")
NO_SUCH_VERSION = bytes.fromhex("0000000800ff0000")  # StartupMessage of protocol 255.0, without parameters
STARTUP = re.compile(rb"\0[\0\x01]..\0\x03\0[\0-\x09]\w{1,63}\0", re.DOTALL)
LOGINS = {
    0: "none needed", 2: "Kerberos", 3: "password in the clear", 5: "MD5 password", 7: "GSSAPI", 9: "SSPI", 10: "SASL",
}  # fmt: skip
SEVERITIES = (b"FATAL", b"PANIC", b"ERROR")


def read_error(data: bytes) -> dict[str, bytes] | None:
    """The fields of an ErrorResponse by their letters; of one that is cut off, those that came."""
    size = int.from_bytes(data[1:5], "big")
    if data[:1] != b"E" or not 8 <= size <= 30_000 or len(data) < 7:
        return None
    fields = {}
    for field in data[5 : 1 + size].split(b"\0")[:30]:
        if field:
            fields[chr(field[0])] = field[1:]
    # S is translated, V (since 9.6) is not; C, the state, is five characters of its own
    known = fields.get("S") in SEVERITIES or "V" in fields or fields.get("F", b"").endswith(b".c")
    return fields if known and re.fullmatch(rb"[0-9A-Z]{5}", fields.get("C", b"")) else None


def talk_refusal(_asked: Asked) -> Dialogue:
    """A version that there is not."""
    return _refused(NO_SUCH_VERSION, (yield from hear(NO_SUCH_VERSION, _whole)))


def talk_postgresql(asked: Asked) -> Dialogue:
    """Ask for TLS, then for a version that there is not."""
    answer = yield from hear(TLS, _whole)
    if answer not in (b"S", b"N"):
        return _refused(TLS, answer)
    refusal = talk_refusal(asked)
    found = yield from (through_tls(refusal, asked) if answer == b"S" else refusal)
    facts = bounded([("starttls", starttls(answer == b"S", asked.tls))])
    seen = evidence("postgresql", TLS, answer)
    if found is None:
        return Identification("postgresql", confidence=Confidence.GUESS, facts=facts, evidence=seen)
    return Identification("postgresql", found.product, facts=facts + found.facts, evidence=seen + found.evidence)


def recognise_server(data: bytes) -> Identification | None:
    """A request to log in (AuthenticationRequest), or an error."""
    if read_error(data) is not None:
        return _refused(b"", data)
    size, kind = int.from_bytes(data[1:5], "big"), int.from_bytes(data[5:9], "big")
    sizes = {0: (8,), 3: (8,), 5: (12,), 7: (8,), 9: (8,), 10: range(12, 400)}
    if data[:1] != b"R" or len(data) < 9 or size not in sizes.get(kind, ()):
        return None
    if len(data) > size + 1 and data[size + 1 : size + 2] not in (b"S", b"K", b"R", b"E", b"N", b"v"):
        return None
    facts = (("login", LOGINS[kind]),)
    return Identification("postgresql", facts=facts, evidence=evidence("postgresql", b"", data))


def recognise_client(data: bytes) -> Identification | None:
    """A request for encryption, a cancellation, or a startup message."""
    whole = int.from_bytes(data[:4], "big")
    if (
        data in (TLS, GSS)
        or (len(data) == 16 and data.startswith(CANCEL[:8]))
        or (STARTUP.match(data) and len(data) == whole)
    ):
        return Identification("postgresql", evidence=evidence("postgresql", b"", data))
    return None


def _refused(sent: bytes, answer: bytes) -> Identification | None:
    fields = read_error(answer)
    if fields is None:
        return None
    own = fields.get("F", b"").endswith(b".c")  # the source file and routine of PostgreSQL itself
    facts = bounded([("refused", text(fields.get("M", b""))), ("state", text(fields["C"]))])
    return Identification(
        "postgresql", "PostgreSQL" if own else "", facts=facts, evidence=evidence("postgresql", sent, answer)
    )


def _whole(heard: bytes) -> bool:
    return not heard.startswith(b"E") or (len(heard) >= 5 and len(heard) > int.from_bytes(heard[1:5], "big"))


PROTOCOLS = (
    Protocol(
        "postgresql",
        "PostgreSQL",
        ("postgresql",),
        uses=("PostgreSQL", "ClickHouse (PostgreSQL protocol)", "QuestDB (PostgreSQL clients)"),
        advice="Databases are best reached by their own programs alone: see listen_addresses and pg_hba.conf.",
    ),
)
PROBES = (Probe("postgresql", "postgresql", "tcp", talk_postgresql, (5432, 5433, 6432), rank=12),)
RECOGNISERS = (Recogniser("postgresql", "tcp", recognise_server, recognise_client),)
