"""The client library: against real servers, one domain on several of them, and against servers that are bad."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import server, stored
from netinfo.serving import HOST, binding, listening, serving, start_domain
from netinfo.test_tools import NOBODY, use

import portlore.netinfo
from portlore.errors import NetInfoError, ProtocolError
from portlore.netinfo import calling, client, hierarchy
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Policy, Service
from portlore.netinfo.calling import FAILED
from portlore.netinfo.client import Place
from portlore.netinfo.domain import Domain
from portlore.netinfo.handle import NODIR, NOUSER, PERM, STALE, parse_path
from portlore.netinfo.passwords import matches
from portlore.netinfo.values import NiId, Property, Record, properties
from portlore.oncrpc import message, portmap
from portlore.oncrpc.records import RecordReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netinfo.processes import Server

many_addresses = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs 127.0.0.2 and those after it")


@pytest.fixture(autouse=True)
def _not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "own_uid", lambda: NOBODY)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The recorded domain under the tag conv, and a binder that knows it."""
    with serving() as port, binding((b"conv", port)) as binder:
        monkeypatch.setenv("PORTLORE_NIBIND_PORT", str(binder))
        yield port


@pytest.mark.parametrize("name", ["conv@HOST", "any/where/conv@HOST", "/conv@HOST", "HOST/conv", "HOST:PORT/conv"])
def test_a_server_is_opened_by_each_of_its_names(port: int, name: str) -> None:
    with portlore.netinfo.open(name.replace("HOST", HOST).replace("PORT", str(port))) as domain:
        assert (domain.tag, domain.root().object) == (b"conv", 0)


def test_domains_are_found_by_their_place_in_the_hierarchy(monkeypatch: pytest.MonkeyPatch) -> None:
    here = (
        Property(b"name", (b"here",)),
        Property(b"ip_address", (HOST.encode(),)),
        Property(b"serves", (b"./network", b"sales/local")),
    )
    above = Domain.of(
        [
            Record(0, 1, 0, (Property(b"master", (b"here/network",)),), (1,)),
            Record(1, 1, 0, (Property(b"name", (b"machines",)),), (2,)),
            Record(2, 0, 1, here, ()),
        ]
    )
    below = Domain.of([Record(0, 1, 0, (), (1,)), Record(1, 0, 0, (Property(b"name", (b"machines",)),), ())])
    with (
        serving(b"local", below, b"network") as local,
        serving(b"network", above) as network,
        binding((b"local", local), (b"network", network)) as binder,
    ):
        monkeypatch.setenv("PORTLORE_NIBIND_PORT", str(binder))
        for where, tag in [
            (".", b"local"),
            ("..", b"network"),
            ("/", b"network"),
            ("/sales", b"local"),
            (f"x/network@{HOST}", b"network"),
            ("./..", b"network"),
        ]:
            with client.open(where) as domain:
                assert domain.tag == tag
        with client.open(".") as domain:
            assert hierarchy.name_of(domain) == b"/sales"
        with pytest.raises(NetInfoError) as refusal:
            client.open("/nosuch")
        assert refusal.value.status == NODIR
        assert use("niutil", "-domainname", ".") == (0, b"/sales\n", b"")
        assert use("niutil", "-rparent", "-n", ".") == (0, b"127.0.0.1/network\n", b"")
        assert use("niutil", "-list", "/nosuch", "/") == (
            200,
            b"",
            b"niutil: can't connect to server for domain /nosuch\n",
        )
        assert use("nifind", "/machines") == (
            0,
            b"/machines found in /sales, id = 1\n/machines found in /, id = 1\n",
            b"",
        )
        assert use("nifind", "/machines", "/sales")[1] == b"/machines found in /sales, id = 1\n"
        assert use("nifind", "-av", "/machines/here", "/sales")[1] == b"/machines/here not found in /sales\n"
        assert use("nifind", "-nv", "/nosuch")[1] == use("nifind", "-anv", "/nosuch")[1] == b"/nosuch not found in /\n"
        assert use("nifind", "-ap", "/machines/here") == (
            0,
            b"/machines/here found in /, id = 2\nname: here\nip_address: 127.0.0.1\nserves: ./network sales/local\n\n",
            b"",
        )


def test_the_library_opens_reads_writes_and_iterates(port: int) -> None:
    with client.open(f"{HOST}:{port}/conv", user="root", password="rootpw") as domain:
        assert [entry.id.object for entry in domain][:2] == [1, 3]
        misc = domain.search(b"/misc")
        assert domain.read_values(misc, 3) == (b"one", b"two", b"three", b"two")
        assert domain.read_value(misc, 3, 1) == b"two"
        assert domain.list_properties(misc)[:2] == (b"name", b"empty")
        assert len(domain.list_all(misc)) == 5
        assert domain.lookup_read(misc, b"key", b"value") == (Property(b"key", (b"value",)),)
        assert domain.statistics()[0].name == b"checksum"
        new, above = domain.create(misc, (Property(b"name", (b"t",)),))
        assert above.instance == misc.instance + 1
        new = domain.create_property(new, Property(b"k", (b"a", b"c")))
        new = domain.create_value(new, 1, b"b", 1)
        new = domain.write_value(new, 1, 0, b"A")
        new = domain.destroy_value(new, 1, 2)
        assert domain.read(new).properties == (Property(b"name", (b"t",)), Property(b"k", (b"A", b"b")))
        new = domain.change(new, lambda found: found[:1])
        assert domain.destroy(domain.itself(misc), new).object == misc.object
        domain.resync()


def test_a_transaction_is_tried_again_when_others_write_in_between(port: int) -> None:
    with client.open(f"{HOST}/conv", user="root", password="rootpw") as domain, client.open(f"{HOST}/conv") as other:
        other.set_user(b"root", b"rootpw")
        one = domain.search(b"/misc/good")
        left = [1, 2, 3]

        def edit(found: Any) -> Any:
            if left:
                other.create_property(other.itself(one), Property(b"p%d" % left.pop(), ()))
            return (*found, Property(b"mine", ()))

        domain.change(one, edit)
        assert [found.name for found in domain.read(one).properties] == [b"name", b"p3", b"p2", b"p1", b"mine"]
        left = list(range(99))
        with pytest.raises(NetInfoError) as refusal:
            domain.change(one, edit)
        assert refusal.value.status == STALE


def test_credentials(port: int) -> None:
    with pytest.raises(NetInfoError) as refusal:
        client.open(f"{HOST}/conv", user="nosuchuser")
    assert refusal.value.status == NOUSER
    with client.open(f"{HOST}/conv", user="user02", password="pw2") as domain:
        u2 = domain.create_property(domain.search(b"/acl/u2"), Property(b"k", ()))
        domain.set_password(None)
        with pytest.raises(NetInfoError) as refusal:
            domain.create_property(u2, Property(b"k", ()))
        assert refusal.value.status == PERM


# One domain on several servers. They share a port, so that no binder is needed to find them.


def tree(*machines: tuple[str, str, list[str]], master: str = "", **more: list[str]) -> Domain:
    """A domain where root needs no password: its master, machines (name, address, serves) and more about its root."""
    user = properties([("name", ["root"]), ("uid", ["0"]), ("passwd", [""])])
    rows = [
        Record(n, 0, 1, properties([("name", [name]), ("ip_address", [at]), ("serves", serves)]), ())
        for n, (name, at, serves) in enumerate(machines, 4)
    ]
    return Domain.of(
        [
            Record(0, 0, 0, properties([("master", [master]), ("_writers", ["*"]), *more.items()]), (1, 2)),
            Record(1, 0, 0, properties([("name", ["machines"])]), tuple(one.id for one in rows)),
            Record(2, 0, 0, properties([("name", ["users"])]), (3,)),
            Record(3, 0, 2, user, ()),
            *rows,
        ]
    )


NETWORK = tree(
    ("root", "127.0.0.3", ["./network"]),
    ("here", HOST, ["here/local"]),
    ("clone", "127.0.0.4", ["we\\ird/sales"]),
    ("master", "127.0.0.5", ["we\\ird/sales"]),
    master="root/network",
    where=["network"],
)
SALES = {
    address: tree(
        ("clone", "127.0.0.4", ["./sales"]),
        ("master", "127.0.0.5", ["./sales"]),
        ("root", "127.0.0.3", ["../network"]),
        master="master/sales",
        where=[address],
    )
    for address in ("127.0.0.4", "127.0.0.5")
}
LOCAL = tree(("here", HOST, ["./local"]), ("root", "127.0.0.3", ["../network"]), master="here/local", where=["local"])


@contextmanager
def servers(folder: Path, port: int, *many: tuple[str, str, Domain]) -> Iterator[dict[str, Server]]:
    """Real servers, each at its address under its tag."""
    with ExitStack() as running:
        started = {}
        for address, tag, domain in many:
            path = folder / f"{address}.nidb"
            if not path.exists():
                stored(path, domain)
            words = ["--listen", address, "--classic"]
            if (address, tag) == ("127.0.0.4", "sales"):  # it does not take what its master sends: reads tell who
                words.append("--read-only")
            started[address] = running.enter_context(server(path, *words, port=str(port), tag=tag))
        yield started


@pytest.fixture
def shared_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A port that is free everywhere, and named as that of every server."""
    with socket.create_server(("", 0)) as door:
        port = int(door.getsockname()[1])
    monkeypatch.setenv("PORTLORE_NETINFO_PORT", str(port))
    return port


def where(domain: client.Handle) -> bytes:
    return domain.read_values(NiId(0, 0), 2)[0]


@many_addresses
def test_reads_go_to_the_first_server_that_answers_and_writes_to_the_master(tmp_path: Path, shared_port: int) -> None:
    root = ("127.0.0.3", "network", NETWORK)
    sales = [(address, "sales", domain) for address, domain in SALES.items()]
    with servers(tmp_path, shared_port, root, *sales, (HOST, "local", LOCAL)) as running:
        running[HOST].line("bound=127.0.0.3/network")
        running["127.0.0.4"].line("bound=127.0.0.3/network")
        name = "/we\\\\ird"
        with client.open(name) as domain:
            assert (where(domain), hierarchy.name_of(domain)) == (b"127.0.0.4", name.encode())
            new, _ = domain.create(domain.root(), (Property(b"name", (b"new",)),))
            assert where(domain) == b"127.0.0.5"
            assert domain.read(new).properties == (Property(b"name", (b"new",)),)
        with client.open(".") as domain:
            assert (where(domain), hierarchy.name_of(domain)) == (b"local", b"/here")
        with client.open("..") as domain:
            assert where(domain) == b"network"
            assert hierarchy.children_of(domain) == [(b"here", b"local"), (b"we\\ird", b"sales")]
        assert use("niutil", "-create", name, "/niutil") == (0, b"", b"")
        assert use("niload", "group", name, stdin=b"g:*:1:\nh:*:2:\n") == (0, b"", b"")
        assert use("niload", "-r", "/raw", name, stdin=b"name = raw; CHILDREN = { name = c; }") == (0, b"", b"")
        assert use("nicl", "-P", "", name, "-create", "/nicl/deep", "k", "v") == (0, b"", b"")
        for address, expected in (("127.0.0.4", []), ("127.0.0.5", [b"new", b"niutil", b"groups", b"raw", b"nicl"])):
            with client.open(f"{address}/sales") as domain:
                assert [entry.properties[0].values[0] for entry in domain][2:] == expected
        for words in (("nidump", "group", name), ("nigrep", "deep", name)):
            assert use(*words) == (0, b"", b"")  # they read what the first server has
        assert use("nifind", "-a", "/machines/master") == (
            0,
            b"/machines/master found in /, id = 7\n/machines/master found in %b, id = 5\n" % name.encode(),
            b"",
        )

        with client.open(name) as reader, client.open(name) as writer:
            writer.transaction(lambda: writer.create(writer.root(), ()))
            running["127.0.0.5"].end()
            with pytest.raises(NetInfoError) as refusal:  # without the master nobody else is written to
                writer.transaction(lambda: writer.create(writer.root(), ()))
            assert refusal.value.status == FAILED
            assert where(reader) == b"127.0.0.4"
        with servers(tmp_path, shared_port, sales[1]) as again:
            again["127.0.0.5"].line("bound=127.0.0.3/network")
            with client.open(name) as domain:  # its server goes: the next one answers in its place
                assert where(domain) == b"127.0.0.4"
                running["127.0.0.4"].end()
                assert where(domain) == b"127.0.0.5"
            with client.open(name) as domain:
                assert where(domain) == b"127.0.0.5"


def test_a_parent_that_is_not_among_the_servers_of_its_domain_is_a_rogue() -> None:
    """SPEC 3.5; one on this machine may be listed by another address of it."""
    listed = [Place("10.77.0.3", b"network"), Place("10.77.0.4", b"network")]
    assert hierarchy._rogue(Place("10.77.0.99", b"network"), listed)
    assert not hierarchy._rogue(listed[1], listed)
    assert not hierarchy._rogue(Place(HOST, b"network"), listed)
    assert not hierarchy._rogue(Place("10.77.0.99", b"network"), ())


MASTERS: list[tuple[str, list[tuple[str, str, list[str]]]]] = [
    ("", []),
    ("nobody/conv", []),
    ("far/conv", [("far", "10.77.0.9", [])]),
    ("here/conv", [("here", HOST, [])]),
]


@pytest.mark.parametrize(("master", "machines"), MASTERS, ids=[master or "none" for master, _ in MASTERS])
def test_a_write_stays_where_it_is_when_no_other_server_is_the_master(
    master: str, machines: list[tuple[str, str, list[str]]]
) -> None:
    def reach(place: Place, timeout: float) -> int:
        raise AssertionError(f"{place} was asked for")

    places = (Place(HOST, b"conv"), Place("127.0.0.9", b"conv"))
    with (
        serving(b"conv", tree(*machines, master=master)) as port,
        client.Handle(calling.Connection(HOST, port, 5), b"conv", places, reach) as domain,
    ):
        assert domain.create(domain.root(), ())[0].object == 4 + len(machines)


def test_paths() -> None:
    assert parse_path(b"") == parse_path(b"///") == []
    assert parse_path(b"//a///uid=5/x\\/y\\=z") == [(b"name", b"a"), (b"uid", b"5"), (b"name", b"x/y=z")]
    assert parse_path(b"/a/") == [(b"name", b"a"), (b"name", b"")]  # SPEC 10.11: NODIR, unless a name is empty
    for bad in (b"a", b"a/b", b"\\/a"):
        with pytest.raises(NetInfoError):
            parse_path(bad)
    started = time.monotonic()
    parse_path(b"/" + b"a" * 100_000)
    assert time.monotonic() - started < 2


def test_a_busy_master_is_waited_for_when_that_is_asked() -> None:
    service = Service(start_domain(), b"conv", matches, Policy(classic=True), b"alpha", None)
    busy = [22, 22, 22]

    def answer(caller: Caller, record: bytes) -> bytes | None:
        if int.from_bytes(record[20:24], "big") == 5 and busy:
            return message.success(int.from_bytes(record[:4], "big"), busy.pop().to_bytes(4, "big"))
        return service.answer(caller, record)

    with listening(answer) as port:
        words = ("-P", "rootpw", "-t", f"{HOST}:{port}/conv", "/new")
        busy_now = b"niutil: can't create directory /new: Master server is busy\n"
        assert use("niutil", "-create", *words) == (122, b"", busy_now)
        assert use("niutil", "-create", "-R", *words) == (0, b"", b"")
        assert busy == []


# Connections that are lost


def test_a_server_that_was_started_anew_is_called_again_without_a_word(tmp_path: Path) -> None:
    path = stored(tmp_path / "conv.nidb", start_domain())
    with server(path, "--classic") as first:
        port = first.port
        domain = client.open(f"{HOST}:{port}/conv", user="user01", password="pw1")
        play = domain.search(b"/play")
    with server(path, "--classic", port=str(port)):
        assert domain.itself(play) == play
    with server(path, "--classic", port=str(port)), domain:
        new, _ = domain.create(play, (Property(b"name", (b"t",)),))
        assert domain.read(new).properties == (Property(b"name", (b"t",)),)


def test_a_server_that_came_back_at_another_port_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as first, binding((b"conv", first)) as binder:
        monkeypatch.setenv("PORTLORE_NIBIND_PORT", str(binder))
        domain = client.open(f"{HOST}/conv")
    with serving() as second, binding((b"conv", second)) as binder:
        monkeypatch.setenv("PORTLORE_NIBIND_PORT", str(binder))
        assert domain.root().object == 0
        assert domain.connection.port == second != first
    monkeypatch.setenv("PORTLORE_NIBIND_PORT", "1")
    with pytest.raises(NetInfoError) as refusal, domain:
        domain.root()
    assert refusal.value.status == FAILED


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    with listening(lambda caller, record: None, lambda caller, record: None) as port:
        started = time.monotonic()
        with pytest.raises(NetInfoError) as refusal:
            client.open(f"{HOST}:{port}/conv", timeout=0.3)
        assert refusal.value.status == FAILED
        code, _, err = use("niutil", "-T", "0.3", "-list", "-t", f"{HOST}:{port}/conv", "/")
        assert (code, err.endswith(b": Communication failure\n")) == (199, True)
        os.environ["PORTLORE_NIBIND_PORT"] = str(port)
        try:
            assert use("niutil", "-T", "0.3", "-list", "-t", f"{HOST}/conv", "/")[0] == 199
        finally:
            del os.environ["PORTLORE_NIBIND_PORT"]
        assert time.monotonic() - started < 5


def test_a_server_that_hangs_up_between_calls_is_called_again() -> None:
    import socket
    import threading

    calls = []
    with socket.create_server((HOST, 0)) as door:

        def serve() -> None:
            for keeps in (1, 1, 0, 0):  # how many calls each connection lives for
                line, _ = door.accept()
                with line:
                    for _ in range(keeps):
                        calls.append(line.recv(1000))
                        xid = calls[-1][4:8]
                        line.sendall(
                            (0x8000_0000 | 36).to_bytes(4, "big")
                            + message.success(int.from_bytes(xid, "big"), bytes(12))
                        )
                    if not keeps:
                        line.recv(1000)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        line = calling.Connection(HOST, door.getsockname()[1], 5)
        domain = client.Handle(line)
        assert domain.root() == NiId(0, 0)
        time.sleep(0.1)
        assert domain.root() == NiId(0, 0)
        time.sleep(0.1)
        with pytest.raises(NetInfoError) as refusal:  # hangs up instead of answering: once is enough
            domain.root()
        assert refusal.value.status == FAILED
        domain.close()
        with pytest.raises(NetInfoError):
            domain.root()
        thread.join(5)
        assert len(calls) == 2


def test_a_server_that_sends_a_byte_now_and_then_is_given_up_in_time() -> None:
    import socket
    import threading

    stop = threading.Event()
    with socket.create_server((HOST, 0)) as door:

        def serve() -> None:
            line, _ = door.accept()
            with line:
                line.sendall(b"\x80\0\0\x24")
                while not stop.wait(0.05):
                    try:
                        line.sendall(b"\0")
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        started = time.monotonic()
        with pytest.raises(NetInfoError):
            client.open(f"{HOST}:{door.getsockname()[1]}/conv", timeout=0.4)
        assert time.monotonic() - started < 2
        stop.set()
        thread.join(5)


GARBAGE = [b"", b"\0" * 4, b"\xff" * 60, b"garbage" * 9]


@pytest.mark.parametrize("reply", GARBAGE)
def test_an_answer_that_is_none_is_a_protocol_error(reply: bytes) -> None:
    with listening(lambda caller, record: reply) as port:
        with pytest.raises(ProtocolError):
            client.open(f"{HOST}:{port}/conv", timeout=2)
        code, out, err = use("niutil", "-T", "2", "-list", "-t", f"{HOST}:{port}/conv", "/")
        assert (code, out) == (199, b"")
        assert err.startswith(b"niutil: can't connect to server ")


def test_results_that_are_none_are_a_protocol_error_too() -> None:
    def short(caller: Any, record: bytes) -> bytes:
        return message.success(int.from_bytes(record[:4], "big"), bytes(8))

    with listening(short) as port, pytest.raises(ProtocolError):
        client.open(f"{HOST}:{port}/conv", timeout=2)


def test_refusals_of_rpc_are_statuses() -> None:
    def refuse(caller: Any, record: bytes) -> bytes:
        return message.denied(int.from_bytes(record[:4], "big"), message.TOO_WEAK)

    with listening(refuse) as port, pytest.raises(NetInfoError) as refusal:
        client.open(f"{HOST}:{port}/conv", timeout=2)
    assert refusal.value.status == 20


def test_nobody_at_the_port_is_a_failure_at_once() -> None:
    with listening(lambda caller, record: None) as port:
        pass
    started = time.monotonic()
    with pytest.raises(NetInfoError) as refusal:
        client.open(f"{HOST}:{port}/conv")
    assert refusal.value.status == FAILED
    assert time.monotonic() - started < 2


# Servers that say nothing: whatever it is that does not answer, the end is known


@contextmanager
def silent(kind: int = socket.SOCK_DGRAM, host: str = HOST, port: int = 0) -> Iterator[int]:
    """A port where nobody ever answers; of a stream, not even the connection."""
    with ExitStack() as held:
        door = held.enter_context(socket.socket(socket.AF_INET, kind))
        door.bind((host, port))
        if kind == socket.SOCK_STREAM:
            door.listen(0)
            for _ in range(8):  # from the second or third on, connections are dropped as by a filter
                caller = held.enter_context(socket.socket())
                caller.setblocking(False)
                caller.connect_ex(door.getsockname())
        yield int(door.getsockname()[1])


def test_a_host_that_drops_packets_is_given_up_in_time() -> None:
    with silent(socket.SOCK_STREAM) as port:
        where = ("-T", "0.2", "-t", f"{HOST}:{port}/conv")
        assert use("niutil", "-read", *where, "/")[0] == 199
        assert use("nidump", "-r", "/", *where)[0] == 1
        assert use("nicl", *where, "-read", "/")[0] == 199
        assert use("nifind", *where[:3], "/", where[3])[0] == 1


def test_a_port_mapper_that_is_silent_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTLORE_NIBIND_PORT", raising=False)
    with silent() as port:
        monkeypatch.setattr(portmap, "PORT", port)
        with pytest.raises(NetInfoError) as refusal:
            client.open(f"{HOST}/conv", timeout=0.2)
        assert refusal.value.status == FAILED
        assert use("nidomain", "-T", "0.2", "-l") == (1, b"", b"nidomain: cannot connect to server localhost\n")
        assert use("niutil", "-T", "0.2", "-list", ".", "/")[0] == 200


def test_a_binder_that_is_silent_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent(socket.SOCK_STREAM) as port, silent(port=port):
        monkeypatch.setenv("PORTLORE_NIBIND_PORT", str(port))
        with pytest.raises(NetInfoError) as refusal:
            client.open(f"{HOST}/conv", timeout=0.2)
        assert refusal.value.status == FAILED
        assert use("nidomain", "-T", "0.2", "-g", "conv", HOST)[2].startswith(b"nidomain: cannot connect to server")


@many_addresses
def test_a_silent_server_among_several_takes_no_more_than_its_share(shared_port: int, tmp_path: Path) -> None:
    places = [Place("127.0.0.6", b"conv"), Place(HOST, b"conv")]
    path = stored(tmp_path / "conv.nidb", start_domain())
    with silent(socket.SOCK_STREAM, "127.0.0.6", shared_port), server(path, "--classic", port=str(shared_port)):
        with client.connect(places, timeout=1) as domain:
            assert domain.connection.address == HOST
        with client.connect(places[1:], timeout=30) as domain:
            domain.connection.move(places[0].address, shared_port)  # as if it had fallen silent later on
            domain.connection.timeout = 0.2
            with pytest.raises(NetInfoError):
                domain.root()
            domain.connection.timeout = 30
            assert domain.root().object == 0
    with pytest.raises(NetInfoError) as refusal:
        client.connect(())
    assert refusal.value.status == NODIR


def test_datagrams_that_answer_something_else_are_passed_over() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as box:
        box.bind((HOST, 0))

        def answer() -> None:
            record, caller = box.recvfrom(1 << 16)
            xid = int.from_bytes(record[:4], "big")
            for reply in (b"", b"noise", message.success(xid ^ 1, b"wrong"), message.success(xid, b"right")):
                box.sendto(reply, caller)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        call = message.Call(7, 100000, 2, 3, message.NOBODY, message.NOBODY, b"")
        assert calling.ask_udp(HOST, box.getsockname()[1], call, 20) == b"right"
        thread.join(5)


def test_a_reply_of_megabytes_in_small_fragments_is_put_together() -> None:
    """As servers with send buffers of 1,024 bytes sent it (SPEC 2.1)."""
    results = b"name" * (3 << 18)
    with socket.create_server((HOST, 0)) as door:

        def answer() -> None:
            line, _ = door.accept()
            with line:
                record = RecordReader().feed(line.recv(1 << 16))[0]
                body = message.success(int.from_bytes(record[:4], "big"), results)
                pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
                for number, piece in enumerate(pieces, 1):
                    line.sendall((len(piece) | (number == len(pieces)) << 31).to_bytes(4, "big") + piece)
                line.recv(1)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with client.Handle(calling.Connection(HOST, door.getsockname()[1], 30)) as domain:
            found = domain.connection.call(11)
        assert found == results
        thread.join(5)
