"""One domain over PostgreSQL: addresses, commands, what is in the database, and three servers of it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
if sys.platform == "win32":
    pytest.skip("needs Unix", allow_module_level=True)
from databases import PASSWORD, postgres
from netinfo.on_postgres import OK, STALE, new_domain, value, write
from netinfo.processes import COMMAND, PATIENCE, Line, Server, named, ni_id, run, server, stored

from portlore.errors import DataError, HostError, InputError
from portlore.netinfo.domain import Domain
from portlore.netinfo.postgres_address import parse_address
from portlore.netinfo.replicating import Leading
from portlore.netinfo.storing import open_store
from portlore.netinfo.values import Record, properties
from portlore.oncrpc.xdr import uint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from databases import Postgres


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.fixture
def address(cluster: Postgres) -> str:
    return new_domain(cluster)


def test_what_is_written_at_any_of_three_servers_is_read_at_all_of_them_at_once(address: str) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(server(address, "--classic")) for _ in range(3)]
        lines = [stack.enter_context(Line(one.port)) for one in servers]
        instance = 0
        for number in range(12):
            status, instance = write(lines[number % 3], 1, instance, str(number))
            assert status == OK
            assert [value(line, 1) for line in lines] == [str(number)] * 3
        assert write(lines[1], 1, instance - 1, "late")[0] == STALE
        new = lines[0].ask(5, ni_id(0) + named((b"name", [b"new"]), (b"_writers", [b"*"])) + uint(9) + uint(0))
        number = int.from_bytes(new[24:28], "big")
        assert number == 5  # ids from 0 to 4 are taken
        for line in lines:
            found = line.ask(10, ni_id(0) + uint(4) + b"name" + uint(3) + b"new\0")
            assert int.from_bytes(found[28:32], "big") == number
        late = stack.enter_context(server(address, "--classic"))
        with Line(late.port) as line:
            assert value(line, 1) == "11"
        assert late.end() == 0
        assert write(lines[2], 2, 0, "on")[0] == OK  # nobody waits for who has left
        told = "\n".join(line for one in servers for line in one.lines)
        assert PASSWORD not in told
        assert address.partition("portlore:")[2].partition("@")[0] not in told
    with open_store(address) as store:
        changes = list(store.history())
        assert [one.call for one in changes] == ["write"] * 12 + ["create", "write"]
        assert store.newest_change() == changes[-1].number


def test_a_domain_goes_into_a_database_and_out_of_it_by_the_commands(cluster: Postgres, tmp_path: Path) -> None:
    address = cluster.make()
    plain = stored(tmp_path / "plain")
    exported = run("export", plain).stdout
    records = tmp_path / "records.json"
    records.write_text(exported)
    assert "there is no such domain" in run("check", address).stderr
    done = run("import", address, records)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert run("export", address).stdout == exported
    assert run("check", address).stdout == run("check", plain).stdout
    assert run("backup", address, tmp_path / "copy").returncode == 0
    assert run("export", tmp_path / "copy").stdout == exported
    refused = run("init", address, "--user", "ann")
    assert refused.returncode == 2
    assert "there is one already" in refused.stderr


def test_store_and_tag_name_a_domain_for_serve(address: str) -> None:
    plain, _, _ = address.partition("?")

    words = [*COMMAND, "serve", "--store", plain, "--domain", "conv", "--port", "0", "--classic"]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        made = Server(process)
        try:
            with Line(made.port) as line:
                assert write(line, 1, 0, "x")[0] == OK
            assert made.end() == 0
        finally:
            made.kill()


BAD = {
    "postgresql://u@h:port/db": "malformed",
    "postgresql://u@h:99999/db": "malformed",
    "postgresql://u@h1,h2/db": "several hosts",
    "postgresql://u:secret@h/db?dommain=x": "'dommain' is no parameter",
    "postgresql://u:secret@h/db?domain=a%20b": "choose a name",
    "postgresql://u:secret@h/db?sslmode=maybe": "choose one of disable",
    "postgresql://u:secret@h/db#x": "malformed",
    "postgresql://u:sec[ret@h/db": "malformed",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_address_is_refused_in_one_line_without_its_password(text: str) -> None:
    with pytest.raises(InputError, match=BAD[text]) as told:
        parse_address(text)
    assert "sec" not in str(told.value)
    assert "\n" not in str(told.value)


def test_an_address_is_read_as_others_read_it() -> None:
    found, password = parse_address("postgresql://an%40n:p%2Fw@[::1]:5433/da%20ta?domain=x&sslmode=require")
    assert (found.user, password, found.host, found.port) == ("an@n", "p/w", "::1", 5433)
    assert (found.database, found.domain, found.mode) == ("da ta", "x", "require")
    assert "p/w" not in repr(found) + str(found)
    assert parse_address("postgres:///db?host=/run/postgresql")[0].host == "/run/postgresql"


def test_what_is_wrong_with_a_database_is_said(
    cluster: Postgres, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = address.partition("?")[0]

    def told(where: str, kind: type[Exception]) -> str:
        with pytest.raises(kind) as found:
            open_store(where)
        assert PASSWORD not in str(found.value)
        assert "\n" not in str(found.value)
        return str(found.value)

    assert "password" in told(base.replace("s3cr", "wr0ng"), HostError)
    assert "there is no such domain" in told(f"{base}?domain=other", DataError)
    assert "does not exist" in told(base.replace("votes", "none"), HostError)
    assert "refused" in told(base.replace(f":{cluster.port}/", ":1/"), HostError)
    assert "refuses SSL" in told(f"{base}?domain=conv&sslmode=require", HostError)
    with open_store(address) as store:
        store._run("UPDATE domain SET form = 7")  # type: ignore[union-attr]
    assert "its tables have form 7" in told(address, DataError)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    without = base.replace(base.partition("portlore:")[2].partition("@")[0], "")
    assert "its tables have form 7" in told(f"{without}?domain=conv", DataError)


def test_a_server_of_another_kind_is_no_database() -> None:

    def answer(door: socket.socket) -> None:
        for words in (b"SSH-2.0-OpenSSH_9.9\r\n", b"N", b""):
            line, _ = door.accept()
            line.recv(8)
            line.sendall(words)
            line.close()

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=answer, args=(door,), daemon=True).start()
        for _ in range(3):
            with pytest.raises(HostError):
                open_store(f"postgresql://u:p@127.0.0.1:{door.getsockname()[1]}/db")


def test_damage_in_the_database_is_found_when_it_is_read(address: str) -> None:
    with open_store(address) as store:
        store._run("UPDATE directories SET instance = instance + 1 WHERE id = 2")  # type: ignore[union-attr]
        with pytest.raises(DataError, match="checksum"):
            store.load()


def test_who_was_away_for_longer_than_is_kept_reads_the_whole(address: str) -> None:
    with open_store(address) as store:
        store._run("UPDATE domain SET oldest = 1000, version = 1001")  # type: ignore[union-attr]
        commit = store.begin(5)  # type: ignore[union-attr]
        store.rollback()  # type: ignore[union-attr]
    assert commit is not None
    assert commit.whole
    assert len(commit.rows) == 5


def test_two_that_make_a_domain_at_once_make_one(cluster: Postgres) -> None:

    address, wrong = cluster.make(), list[Exception]()

    def make() -> None:
        try:
            open_store(address, create=True).close()
        except Exception as error:  # noqa: BLE001 - looked at below
            wrong.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE)
    assert wrong == []
    with open_store(address) as store, pytest.raises(DataError, match="nothing is in it"):
        store.load()


def test_clones_of_such_a_domain_are_told_to_read_all_whoever_wrote(address: str) -> None:
    with server(address, "--classic") as one, Line(one.port) as line:
        assert write(line, 1, 0, "x")[0] == OK
        whole = line.ask(25, uint(0))
        with open_store(address) as store:
            domain = store.load()
        assert int.from_bytes(whole[24:28], "big") == domain.checksum
        assert b"<x>" in whole
    machine = Record(9, 0, 0, properties([("name", ["m"]), ("ip_address", ["10.0.0.1"]), ("serves", ["./t"])]), ())
    clone = Record(10, 0, 0, properties([("name", ["c"]), ("ip_address", ["10.0.0.2"]), ("serves", ["./t"])]), ())
    root = Record(0, 0, 0, properties([("master", ["m/t"])]), (1,))
    above = Record(1, 0, 0, properties([("name", ["machines"])]), (9, 10))
    led = Domain.of([root, above, machine, clone])
    leading = Leading(led, lambda where: where == "10.0.0.1", b"t")
    (known,) = leading.clones.values()
    known.behind = False  # it follows
    led.write(led.at(1), properties([("name", ["machines"]), ("x", ["y"])]))
    leading.changed_elsewhere(led)
    assert known.is_waited_for
    assert known.batch(leading.checksum) == [(26, uint(led.checksum))]
