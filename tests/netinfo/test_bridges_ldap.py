"""A real slapd takes what is exported and gives it back; a live server is read; false ones are refused."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo import slapd
from netinfo.serving import start_domain
from netinfo.strange import domains

from portlore import ber
from portlore.errors import HostError, InputError, PolicyRefused, PortloreError, ProtocolError
from portlore.netinfo.bridges.from_ldap import from_entries
from portlore.netinfo.bridges.kinds import SCHEMAS
from portlore.netinfo.bridges.ldap_client import Session, Url, parse_url
from portlore.netinfo.bridges.ldif import parse_ldif
from portlore.netinfo.bridges.nodes import Node, domain_of
from portlore.netinfo.bridges.to_ldap import Exporter
from portlore.netinfo.store import Store
from portlore.netinfo.values import properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.netinfo.domain import Domain

ABOVE = "dn: dc=example,dc=com\nobjectClass: domain\ndc: example\n\n"
ENTRY, DONE = 0x64, 0x65


def ldif(domain: Domain, base: str = slapd.SUFFIX, schema: str = "rfc2307", *, plain: bool = False) -> str:
    return "".join(Exporter(domain, base, schema, plain=plain).ldif())


def read(text: str, base: str = "") -> Domain:
    lines = text.encode("utf-8", "surrogateescape").splitlines(keepends=True)
    return from_entries(parse_ldif(lines, "ldapsearch"), base).domain


@slapd.needed
@pytest.mark.parametrize("schema", SCHEMAS)
def test_slapd_takes_an_export_and_ldapsearch_gives_the_same_domain_back(schema: str) -> None:
    before = start_domain()
    with slapd.running(schema) as server:
        server.add(ldif(before, schema=schema))
        back = server.dump()
        assert list(read(back).records()) == list(before.records())
        found = server.run(
            "ldapsearch", "-LLL", "-b", slapd.SUFFIX, "(&(objectClass=posixAccount)(uid=user02))", "uidNumber"
        )
        place = before.path(b"users", b"user02")
        assert place is not None
        (uid,) = before.values(place, b"uid") or ()
        assert f"uidNumber: {uid.decode()}" in found
        server.remove()
        server.add(ldif(before, schema=schema, plain=True))  # the object classes of the standards are enough for it
        assert "portlore" not in server.dump()


@slapd.needed
@pytest.mark.parametrize("schema", SCHEMAS)
def test_slapd_takes_whatever_a_domain_holds(schema: str) -> None:
    made: list[Domain] = []

    @settings(
        max_examples=150, deadline=None, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck)
    )
    @given(domains())
    def make(domain: Domain) -> None:
        made.append(domain)

    make()
    text = ABOVE
    for number, domain in enumerate(made):
        text += ldif(domain, f"ou=n{number},{slapd.SUFFIX}", schema).removeprefix("version: 1\n")
        text += ldif(domain, f"ou=p{number},{slapd.SUFFIX}", schema, plain=True).removeprefix("version: 1\n")
    with slapd.running(schema) as server:
        server.add(text)
        back = server.dump()
    for number, domain in enumerate(made):
        wanted = f"ou=n{number},{slapd.SUFFIX}"
        of_it = [
            one
            for one in parse_ldif(back.encode("utf-8", "surrogateescape").splitlines(keepends=True), "ldapsearch")
            if one.dn == wanted or one.dn.endswith(f",{wanted}")
        ] if number % 10 == 0 else None  # fmt: skip
        if of_it is not None:
            assert list(from_entries(of_it).domain.records()) == list(domain.records())


@slapd.needed
def test_a_live_server_is_read_page_by_page_with_and_without_tls(tmp_path: Path) -> None:
    before = start_domain()
    number = before.path(b"users")
    assert number is not None
    for extra in range(1200):  # the server gives 500 entries at a time
        given_ = properties(
            [("name", [f"extra{extra}"]), ("uid", [str(9000 + extra)]), ("gid", ["1"]), ("home", ["/"])]
        )
        before.create(before.at(number), given_, 1 << 31)
    before.take()
    with slapd.running() as server:
        server.add(ldif(before))
        tls = server.url.replace("127.0.0.1", "localhost")
        ways = ((server.url, False), (tls, True), (server.tls_url, False))
        for url, start_tls in ways:
            address = parse_url(f"{url}/{slapd.SUFFIX}")
            with Session(address, start_tls=start_tls, authority=str(server.certificate)) as session:
                session.bind(slapd.ADMIN, slapd.SECRET.encode())
                assert list(from_entries(session.entries()).domain.records()) == list(before.records())
                assert session.is_private == (url != server.url or start_tls)

        with pytest.raises(HostError, match="invalid credentials"), Session(parse_url(server.url)) as session:
            session.bind(slapd.ADMIN, b"wrong")
        with pytest.raises(HostError, match="no such object"), Session(parse_url(f"{server.url}/dc=none")) as session:
            list(session.entries())
        with pytest.raises(HostError, match=r"self.signed|certificate"):
            Session(parse_url(tls), start_tls=True)

        command = [
            sys.executable,
            "-m",
            "portlore",
            "netinfo",
            "import",
            str(tmp_path / "copy"),
            f"{server.url}/{slapd.SUFFIX}",
        ]
        login = ["--bind", slapd.ADMIN]

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, *login, *words],
                input=f"{slapd.SECRET}\n",
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )

        assert run("--dry-run").returncode == 1
        assert not (tmp_path / "copy").exists()
        assert run().returncode == 0
        assert run("--dry-run").returncode == 0
    with Store(str(tmp_path / "copy"), exclusive=False) as store:
        assert list(store.load().records()) == list(before.records())


@slapd.needed
def test_a_group_that_netinfo_cannot_hold_is_named_by_a_live_server_too() -> None:
    members = "".join(f"memberUid: user{number}\n" for number in range(65_536))
    group = f"dn: cn=big,{slapd.SUFFIX}\nobjectClass: posixGroup\ncn: big\ngidNumber: 1\n{members}\n"
    with slapd.running() as server:
        server.add(ABOVE + group)
        with Session(parse_url(f"{server.url}/{slapd.SUFFIX}")) as session:
            session.bind(slapd.ADMIN, slapd.SECRET.encode())
            with pytest.raises(InputError, match="65,536 values of memberUid"):
                from_entries(session.entries())


@slapd.needed
def test_a_group_as_large_as_netinfo_has_them_goes_through_slapd() -> None:
    root = Node()
    users = [f"user{number}" for number in range(20_000)]
    root.child(b"groups").children.append(Node(properties([("name", ["big"]), ("gid", ["1"]), ("users", users)])))
    before = domain_of(root)
    with slapd.running() as server:
        server.add(ldif(before))
        assert list(read(server.dump()).records()) == list(before.records())


# What is no server, or a bad one


@contextmanager
def answering(*pieces: bytes, hang: bool = False) -> Iterator[Url]:
    """Somebody who says the same whatever is asked."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        ended = threading.Event()

        def serve() -> None:
            try:
                line, _ = door.accept()
            except OSError:
                return
            with line:
                line.recv(4096)
                for piece in pieces:
                    line.sendall(piece)
                if hang:
                    ended.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Url("127.0.0.1", door.getsockname()[1], "dc=x", False)
        ended.set()
        thread.join(20)


def packed(number: int, *parts: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(number), *parts)


def result(code: int, kind: int = DONE) -> bytes:
    return ber.element(kind, ber.integer(code, ber.ENUMERATED), ber.element(ber.OCTETS), ber.element(ber.OCTETS))


def entry(name: bytes, *pairs: tuple[bytes, list[bytes]]) -> bytes:
    listed = [
        ber.element(
            ber.SEQUENCE,
            ber.element(ber.OCTETS, attribute),
            ber.element(ber.SET, *[ber.element(ber.OCTETS, value) for value in values]),
        )
        for attribute, values in pairs
    ]
    return ber.element(ENTRY, ber.element(ber.OCTETS, name), ber.element(ber.SEQUENCE, *listed))


RANGED = entry(b"cn=a", (b"member;range=0-1499", [b"cn=b"]))


@pytest.mark.parametrize(
    ("said", "error", "word"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolError, "no LDAP"),
        (b"\x30\x84\x7f\xff\xff\xff" + b"x" * 20, ProtocolError, "2048 MB"),
        (b"\x30\x80" + b"x" * 20, ProtocolError, "no LDAP"),
        (packed(1, b"\x64\x03\x04\x01"), ProtocolError, "no message"),
        (packed(1, ber.element(ENTRY, b"\x04\x01")), ProtocolError, "entry that is none"),
        (packed(1, entry(b"cn=a")) + packed(1, ber.element(DONE)), ProtocolError, "result that is none"),
        (packed(1, result(0, 0x61)), ProtocolError, "something else"),
        (packed(1, result(4)), HostError, "size limit exceeded"),
        (packed(1, result(200)), HostError, "result 200"),
        (packed(0, result(52, 0x78)), HostError, "ends the connection"),
        (packed(1, RANGED) + packed(1, result(0)), HostError, "in pieces"),
        (packed(7, result(0)), HostError, "hung up"),
        (b"", HostError, "hung up"),
    ],
)  # fmt: skip
def test_answers_that_make_no_sense_are_refused_with_a_word(said: bytes, error: type[PortloreError], word: str) -> None:
    with answering(said) as url, pytest.raises(error, match=word), Session(url, timeout=10) as session:
        list(session.entries())


def test_a_server_that_says_nothing_is_waited_for_as_long_as_was_said() -> None:
    silence = pytest.raises(HostError, match=r"within 0\.3 seconds")
    with answering(hang=True) as url, silence, Session(url, timeout=0.3) as session:
        list(session.entries())


def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(HostError, match="refused"):
        Session(Url("127.0.0.1", port, "", False))


def test_an_empty_password_is_not_sent_as_if_it_were_one() -> None:
    with answering() as url, Session(url) as session, pytest.raises(InputError, match="empty"):
        session.bind("cn=a", b"")


def test_a_password_goes_to_others_only_through_tls() -> None:
    with answering() as url, Session(url) as session:
        session._peer = "192.0.2.1"  # as if it were elsewhere: no test leaves this machine
        with pytest.raises(PolicyRefused, match="could read it"):
            session.bind("cn=a", b"x")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ldap://h/dc=a,dc=b", Url("h", 389, "dc=a,dc=b", False)),
        ("ldaps://h:1636/o=a%20b", Url("h", 1636, "o=a b", True)),
        ("LDAP://[::1]", Url("::1", 389, "", False)),
    ],
)
def test_addresses_of_directories(text: str, url: Url) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize("text", ["http://h/", "ldap:///x", "ldap://u:p@h/", "ldap://h:99999/", "ldap://h/x?cn?sub"])
def test_what_is_no_address_of_a_directory(text: str) -> None:
    with pytest.raises(InputError):
        parse_url(text)
