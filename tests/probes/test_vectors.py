"""Every dialogue and recogniser against the vectors of its protocol, whole, in pieces and cut off."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.vectors import FOLDER, Conversation, hold, read_vectors, replay

from portlore.observed import MOST_EVIDENCE
from portlore.probes import PROBES, PROTOCOLS, RECOGNISERS
from portlore.probes.dialogue import Asked
from portlore.probes.mongodb import read_document

MINE = (
    "amqp", "cassandra", "ftp", "imap", "irc", "kafka", "memcached", "mongodb", "mqtt", "mysql", "pop3", "postgresql",
    "redis", "rsync", "smtp", "telnet", "vnc", "webapis", "zookeeper",
)  # fmt: skip
VECTORS = [one for name in MINE for one in read_vectors(name)]
BY_NAME = {probe.name: probe for probe in PROBES}
HELD = [one for one in VECTORS if one.probe]
LISTENED = [one for one in VECTORS if not one.probe]


@pytest.mark.parametrize("one", HELD, ids=lambda one: one.name)
def test_a_dialogue_finds_what_the_vector_says(one: Conversation) -> None:
    one.check(hold(BY_NAME[one.probe], one.said_by("server")))


@pytest.mark.parametrize("one", [one for one in HELD if one.said_by("client")], ids=lambda one: one.name)
def test_a_dialogue_says_what_the_vector_says(one: Conversation) -> None:
    probe = BY_NAME[one.probe]
    _, sent = replay(probe.dialogue(Asked("test.example", 4, one.transport)), one.said_by("server"))
    said = b"".join(sent)
    for expected in one.said_by("client"):
        if not expected.startswith(b"GET "):  # a request names whom it was sent to
            assert expected in said


@pytest.mark.parametrize("one", [one for one in HELD if one.transport == "tcp"], ids=lambda one: one.name)
def test_an_answer_in_two_pieces_is_the_same_answer(one: Conversation) -> None:
    answers = one.said_by("server")
    halves = [half for said in answers[:4] for half in (said[: len(said) // 2], said[len(said) // 2 :]) if half]
    if len(answers) <= 4 and not BY_NAME[one.probe].name.endswith("greeting") and one.probe != "telnet":
        one.check(hold(BY_NAME[one.probe], halves))


@pytest.mark.parametrize("one", LISTENED, ids=lambda one: one.name)
def test_a_recogniser_knows_its_own(one: Conversation) -> None:
    sides = [side for side in ("server", "client") if one.said_by(side)]
    for side in sides:
        said = one.said_by(side)[0]
        reads = [
            row.server if side == "server" else row.client for row in RECOGNISERS if row.transport == one.transport
        ]
        found = [match for read in reads if read is not None and (match := read(said)) is not None]
        assert {match.protocol for match in found} == ({one.protocol} - {""})
        if side == sides[0] and one.protocol:
            one.check(found[0])


@pytest.mark.parametrize("name", MINE)
def test_evidence_is_what_was_said_and_no_more_than_is_kept(name: str) -> None:
    for one in read_vectors(name):
        found = hold(BY_NAME[one.probe], one.said_by("server")) if one.probe else None
        for evidence in found.evidence if found else ():
            assert len(evidence.received) <= MOST_EVIDENCE
            assert len(evidence.sent) <= MOST_EVIDENCE
            assert evidence.probe == one.probe or evidence.probe in BY_NAME
            assert evidence.received[:100] in b"".join(one.said_by("server"))


@pytest.mark.parametrize("name", MINE)
def test_silence_is_nothing(name: str) -> None:
    for probe in PROBES:
        if probe.name in {one.probe for one in read_vectors(name)}:
            assert hold(probe, []) is None


def test_every_vector_has_an_origin_and_every_file_a_reader() -> None:
    for one in read_vectors():
        assert len(one.origin) > 10, one.name
        assert one.protocol == "" or one.protocol in PROTOCOLS, one.name
        assert one.probe == "" or one.probe in BY_NAME, one.name
    assert {path.stem for path in FOLDER.glob("*.txt")} >= set(MINE)


def test_a_log_in_is_never_sent() -> None:
    forbidden = (
        b"USER ",
        b"PASS ",
        b"LOGIN",
        b"AUTH ",
        b"AUTHENTICATE",
        b"NICK ",
        b"STARTUP",
        b"\0user\0",
        b"APOP",
        b"MAIL FROM",
    )
    for one in HELD:
        probe = BY_NAME[one.probe]
        _, sent = replay(probe.dialogue(Asked("test.example", 4, one.transport)), one.said_by("server"))
        for word in forbidden:
            assert word not in b"".join(sent).upper() or word == b"\0user\0", (one.name, word)


NEAR = [  # file of PROTOCOLS' name, transport, side, bytes that are almost its own, and what is wrong with them
    ("amqp", "server", b"AMQP\x01\x02\x03\x04", "a protocol that there is not"),
    ("amqp", "server", b"\x01\0\0\0\0\0\x10\0\x0a\0\x0b\0\x09" + bytes(20), "start-ok, which a server never says"),
    ("cassandra", "server", bytes.fromhex("8400000006000000050000000000"), "more than its body"),
    ("cassandra", "server", bytes.fromhex("040000000600000002 0000"), "a request's direction"),
    ("cassandra", "client", bytes.fromhex("04000000050000000100"), "OPTIONS with a body"),
    ("ftp", "server", b"220 ftp.example.com ESMTP Postfix\r\n", "SMTP on a host called ftp"),
    ("ftp", "server", b"331 Please specify the password for ftp.\r\n", "no greeting"),
    ("imap", "server", b"* 23 EXISTS\r\n", "no greeting"),
    ("imap", "client", b"GET / HTTP/1.1\r\n", "a tag, and no command of IMAP"),
    ("irc", "server", b":a b c\r\n", "a message that comes later"),
    ("kafka", "server", bytes.fromhex("00000010706f7274 0000 00000001 0012 0003 0002"), "lowest above highest"),
    ("kafka", "server", bytes.fromhex("00000010706f7274 0000 00000001 0001 0000 0003 00"), "a byte too many"),
    ("memcache", "server", b"VERSION\r\n", "no version"),
    (
        "mongodb",
        "server",
        bytes.fromhex("1a000000 01000000 00000000 dd070000 00000000 00 0500000000"),
        "answers nobody",
    ),
    (
        "mongodb",
        "client",
        bytes.fromhex("1a000000 01000000 00000000 dd070000 04000000 00 0500000000"),
        "an unknown flag",
    ),
    ("mqtt", "server", bytes.fromhex("20020200"), "a reserved bit"),
    ("mqtt", "server", bytes.fromhex("20020006"), "a code that there is not"),
    ("mqtt", "client", b"\x10\x0c\x00\x04MQTX\x04\x02\x00\x0a\x00\x00", "another name"),
    ("mysql", "server", b"\x05\0\0\0\x0a8.0\0", "cut off before its salt"),
    ("mysql", "server", b"\x05\0\0\1\xff\x6a\x04no", "numbered 1, so not the first"),
    ("pop3", "server", b"+OK\r\n", "as Redis says it"),
    ("postgresql", "server", b"R\0\0\0\x08\0\0\0\x63", "a way to log in that there is not"),
    ("postgresql", "server", b"E\0\0\0\x10SFATAL\0Mno code\0\0", "an error without its state"),
    ("postgresql", "client", bytes.fromhex("0000000804d2163000"), "a byte too many"),
    ("redis", "server", b"-ERR something else\r\n", "an error in nobody's words"),
    ("redis", "server", b"$5\r\nhello\r\n", "a bulk string that is not INFO's"),
    ("redis", "client", b"*1\r\n$4\r\n\x80\x81\x82\x83\r\n", "no word"),
    ("rfb", "server", b"RFB 3.8\n", "no leading zeros"),
    ("rsync", "server", b"@RSYNCD: OK\n", "what comes later"),
    ("smtp", "server", b"220 smtp.example.com ready\r\n", "only a host's name"),
    ("smtp", "server", b"250 ESMTP\r\n", "no greeting"),
    ("telnet", "server", b"\xff\xf4\xff\xfd", "an interruption"),
    ("zookeeper", "server", bytes.fromhex("00000025 00000001") + bytes(33), "a version that there is not"),
    ("zookeeper", "client", b"ruokay", "six letters"),
]


@pytest.mark.parametrize(
    ("protocol", "side", "said", "wrong"), NEAR, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_is_almost_its_own_is_not_taken(protocol: str, side: str, said: bytes, wrong: str) -> None:
    reads = [row.server if side == "server" else row.client for row in RECOGNISERS if row.protocol == protocol]
    assert any(reads)
    for read in reads:
        assert read is None or read(said) is None, wrong


@pytest.mark.parametrize("name", ["mysql", "smtp", "imap", "pop3", "ftp", "irc"])
def test_within_tls_nobody_asks_for_starttls(name: str) -> None:
    facts = set[str]()
    for one in read_vectors(name):
        if one.probe == name:
            found, _ = replay(BY_NAME[name].dialogue(Asked("test.example", 4, tls=True)), one.said_by("server"))
            assert found is not None
            facts |= {key for key, _ in found.facts}
    assert facts
    assert "starttls" not in facts


BSON = [  # the examples of bsonspec.org, then forms that its grammar does not have; the outermost plain fields
    (b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0", {"hello": "world"}),
    (bytes.fromhex("31000000 0442534f4e00 26000000 023000 08000000 617765736f6d6500 013100 3333333333331440"
                   "103200 c2070000 00 00"), {}),
    (b"\x0a\0\0\0\x08ok\0\1\0", {"ok": True}),
    (b"\x05\0\0\0\0", {}),
    (b"\x0d\0\0\0\x08ok\0\1cx\0\0", {"ok": True}),  # a kind that there is not: what came before
    (b"\x05\0\0\0\1", None),  # not ended
    (b"\x04\0\0\0\0", None),  # shorter than the shortest
    (b"\xff\xff\xff\xff\0", None),  # a size below nothing
    (b"\x16\0\0\0\x02hello\0\xff\xff\xff\x7fworld\0\0", None),  # a text that is longer than all
    (b"\x16\0\0\0\x02hello\0\xf0\xff\xff\xffworld\0\0", None),  # a text of less than nothing
    (b"\x08\0\0\0\x10nn\0", None),  # a name without a value
    (b"\x09\0\0\0\x02nn\0\0", {}),  # a text without a size
    (b"\x08\0\0\0\x0annn", None),  # a name without an end
]  # fmt: skip


@pytest.mark.parametrize(("said", "fields"), BSON)
def test_a_document_is_read_as_its_grammar_has_it(said: bytes, fields: dict[str, object] | None) -> None:
    assert read_document(said) == fields
