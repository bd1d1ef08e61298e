"""Servers of a domain over PostgreSQL that are killed, stand still, or lose their database: what is answered then."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
if sys.platform == "win32":
    pytest.skip("needs Unix", allow_module_level=True)
from databases import postgres
from netinfo.on_postgres import (
    OK,
    RDONLY,
    READ,
    STATISTICS,
    SYSTEMERR,
    by_and_by,
    locked,
    new_domain,
    through,
    value,
    write,
)
from netinfo.processes import PATIENCE, Line, call, ni_id, server
from netinfo.relays import Relay

from portlore.netinfo.storing import open_store
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


def test_a_server_that_is_killed_has_not_answered_what_is_not_there_and_nobody_waits_for_it_for_long(
    address: str,
) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(server(address, "--classic")) for _ in range(2))
        with Line(first.port) as line, Line(second.port) as other:
            instance = 0
            for number in range(10):
                status, instance = write(line, 1, instance, str(number))
                assert status == OK
            first.process.send_signal(signal.SIGKILL)
            first.process.wait(PATIENCE)
            assert value(other, 1) == "9"
            assert write(other, 1, instance, "after")[0] == OK
            assert value(other, 1) == "after"


def test_without_its_database_a_server_answers_reads_refuses_writes_and_says_so_until_it_is_back(
    cluster: Postgres, address: str
) -> None:
    with server(address, "--classic") as one, Line(one.port) as line:
        assert write(line, 1, 0, "before")[0] == OK
        assert locked(line) == b"No"
        cluster.stop()
        try:
            one.line("cut off from the database: .*read-only, and reads may be old")
            assert locked(line) == b"Yes (cut off from the database)"
            assert write(line, 1, 1, "no")[0] == RDONLY
            assert value(line, 1) == "before"
        finally:
            cluster.start()
        one.line("in step with the database again: version=2")
        assert locked(line) == b"No"
        assert write(line, 1, 1, "after")[0] == OK
        assert value(line, 1) == "after"


def test_one_server_that_is_cut_off_holds_the_others_up_for_a_lease_only_and_catches_up(
    cluster: Postgres, address: str
) -> None:
    with ExitStack() as stack:
        relay = stack.enter_context(Relay(cluster.port))
        away = stack.enter_context(server(through(relay, cluster, address), "--classic"))
        here = stack.enter_context(server(address, "--classic"))
        with Line(away.port) as cut, Line(here.port) as line:
            assert write(cut, 1, 0, "before")[0] == OK
            relay.cut()
            assert write(line, 1, 1, "meanwhile")[0] == OK
            assert b"cut off" in locked(cut)  # had it not been, the write would not have been answered
            assert value(line, 1) == "meanwhile"
            assert value(cut, 1) == "before"  # which may be old, as it said
            assert write(cut, 1, 1, "no")[0] == RDONLY
            relay.mend()
            relay.reset()
            away.line("in step with the database again")
            assert value(cut, 1) == "meanwhile"
            assert write(cut, 1, 2, "again")[0] == OK
            assert value(line, 1) == "again"


def test_a_server_that_stood_still_knows_that_it_may_be_old_before_it_answers_anybody(address: str) -> None:
    with ExitStack() as stack:
        still, here = (stack.enter_context(server(address, "--classic")) for _ in range(2))
        with Line(still.port) as line, Line(here.port) as other:
            assert value(line, 1) == ""
            still.process.send_signal(signal.SIGSTOP)
            try:
                assert write(other, 1, 0, "meanwhile")[0] == OK
                line.send(call(STATISTICS), call(READ, ni_id(1)), call(STATISTICS))
            finally:
                still.process.send_signal(signal.SIGCONT)
            before, told, after = line.reply(), line.reply(), line.reply()
            assert b"<meanwhile>" in told or (b"cut off" in before and b"cut off" in after)
            assert by_and_by(lambda: value(line, 1) == "meanwhile")


@pytest.mark.parametrize("is_done", [True, False], ids=["it was done", "it was not"])
def test_a_commit_whose_answer_was_lost_is_answered_as_it_ended(cluster: Postgres, address: str, is_done: bool) -> None:
    with ExitStack() as stack:
        relay = stack.enter_context(Relay(cluster.port))
        one = stack.enter_context(server(through(relay, cluster, address), "--classic"))
        with Line(one.port) as line:
            assert write(line, 1, 0, "first")[0] == OK
            relay.lets_through, relay.trap = is_done, b"INSERT INTO commits"
            status, _ = write(line, 1, 1, "second")
            assert relay.sprung.wait(PATIENCE)
            one.line("a commit's end is not known")
            assert status == (OK if is_done else SYSTEMERR)
            assert value(line, 1) == ("second" if is_done else "first")
            assert write(line, 1, 2 if is_done else 1, "third")[0] == OK
        with open_store(address) as store:
            assert b"<third>" in store.load().at(1).data


def test_who_holds_the_writers_lock_for_long_has_others_told_that_the_server_is_busy(address: str) -> None:
    with server(address, "--classic") as one, open_store(address) as store, Line(one.port) as line:
        store.begin(1)  # type: ignore[union-attr]
        line.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            write(line, 1, 0, "waits")
        line.socket.settimeout(PATIENCE)
        with Line(one.port) as other:
            assert value(other, 1) == ""  # reads go on
        store.rollback()  # type: ignore[union-attr]
        assert line.reply()[24:32] == uint(OK) + uint(1)
