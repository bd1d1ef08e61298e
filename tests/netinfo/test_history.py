"""Who changed what, and taking it back: the pure parts, the table in a store, a server that records, the commands."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
from netinfo.processes import Line, login, named, ni_id, open_domain, run, server, stored, wait_for, writers
from netinfo.serving import start_domain

from portlore.cli.recalling import _step, moment
from portlore.errors import DataError, InputError, NetInfoError
from portlore.netinfo import history_table
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Service
from portlore.netinfo.calling import Connection
from portlore.netinfo.coding import properties as encoded
from portlore.netinfo.domain import Domain
from portlore.netinfo.handle import Handle
from portlore.netinfo.history import (
    CHANGED,
    LARGEST,
    PUSH,
    RESYNC,
    WRITE,
    Change,
    Recorder,
    concerns,
    differences,
    path_of,
    told,
    told_as_json,
    who,
)
from portlore.netinfo.passwords import make_des
from portlore.netinfo.store import Store
from portlore.netinfo.undoing import steps_between, undo
from portlore.netinfo.values import LAST, NiId, Property, Record, properties
from portlore.netinfo.whereabouts import served_at
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call
from portlore.oncrpc.xdr import opaque, uint

ROOT_HERE = Caller("127.0.0.1", 1, local=True)
FORM_2 = """
CREATE TABLE directories (
    id INTEGER PRIMARY KEY, instance INTEGER NOT NULL, parent INTEGER NOT NULL, place REAL NOT NULL,
    version INTEGER NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA application_id = 1313424450;
PRAGMA user_version = 2;
"""


class Recorded(Connection):
    """Calls to a domain in memory, whose changes are recorded and numbered, as a server's are."""

    def __init__(self, domain: Domain) -> None:
        super().__init__("127.0.0.1", 0)
        self.service = Service(domain, b"t", lambda given, hashed: False)
        self.service.history = self.recorder = Recorder(lambda: float(len(self.changes)))
        self.changes: list[Change] = []

    def call(self, procedure: int, arguments: bytes = b"", program: int = 200100000, version: int = 2) -> bytes:
        reply = self.service.answer(
            ROOT_HERE, encode_call(Call(0, program, version, procedure, NOBODY, NOBODY, arguments))
        )
        assert reply is not None
        done = decode_reply(reply)
        assert done.accepted == SUCCESS
        self.changes += [one.replace(number=len(self.changes) + 1) for one in self.recorder.take()]
        return done.results

    def undo(self, *numbers: int, force: bool = False) -> int:
        """Take changes back, as the command does; the number of calls."""
        chosen = [one for one in self.changes if one.number in numbers]
        later = [one for one in self.changes if one.number >= min(numbers)]
        domain = self.service.domain
        steps = undo(chosen, later, domain, force=force)
        ids = {number: NiId(number, one.instance) for number, one in domain.directories.items()}
        for step in steps:
            _step(step, Handle(self), ids)
        return len(steps)


def people() -> tuple[Recorded, Handle, dict[str, int]]:
    """A domain with /users/ann, its handle, and the numbers of its directories."""
    made = Recorded(Domain.of([Record(0, 0, 0, (), ())]))
    handle = Handle(made)
    users = handle.create(handle.root(), properties([("name", ["users"])]))[0]
    ann = handle.create(users, properties([("name", ["ann"]), ("shell", ["/bin/csh"]), ("groups", ["a", "b"])]))[0]
    return made, handle, {"users": users.object, "ann": ann.object}


def now(made: Recorded, number: int) -> dict[bytes, tuple[bytes, ...]]:
    return {one.name: one.values for one in made.service.domain.at(number).properties}


def content(domain: Domain, number: int = 0) -> tuple[object, ...]:
    """A tree without numbers and instances."""
    one = domain.at(number)
    return one.properties, tuple(content(domain, child) for child in one.children)


# What a write leaves behind


def test_each_write_gives_one_change_with_what_was_before_and_after() -> None:
    made, handle, numbers = people()
    ann = handle.itself(NiId(numbers["ann"], 0))
    handle.write_values(ann, 1, (b"/bin/zsh",))
    create_users, create_ann, write = made.changes
    assert (create_users.call, create_users.before, create_users.path) == ("create", None, b"/users")
    assert (create_ann.path, create_ann.parent) == (b"/users/ann", numbers["users"])
    assert (write.call, write.kind, write.user, write.port) == ("writeprop", WRITE, b"root", 1)
    assert write.before == create_ann.after
    assert told(write) == ["- shell: /bin/csh", "+ shell: /bin/zsh"]


def test_a_directory_that_goes_keeps_its_path_place_and_properties() -> None:
    made, handle, numbers = people()
    users = NiId(numbers["users"], 0)
    bob = handle.create(handle.itself(users), properties([("name", ["bob"])]), 0)[0]
    handle.destroy(handle.itself(users), bob)
    gone = made.changes[-1]
    assert (gone.call, gone.path, gone.place, gone.after) == ("destroy", b"/users/bob", 0, None)
    assert gone.before == encoded(properties([("name", ["bob"])]))


def test_a_refused_write_and_a_read_leave_nothing_behind() -> None:
    made, handle, numbers = people()
    before = len(made.changes)
    with pytest.raises(NetInfoError):
        handle.write(NiId(numbers["ann"], 77), ())  # STALE
    handle.read(NiId(numbers["ann"], 0))
    assert len(made.changes) == before


def test_a_rename_is_told_under_the_old_path() -> None:
    made, handle, numbers = people()
    handle.write_value(handle.itself(NiId(numbers["ann"], 0)), 0, 0, b"anna")
    assert made.changes[-1].path == b"/users/ann"
    assert told(made.changes[-1]) == ["- name: ann", "+ name: anna"]


def test_slashes_in_names_and_missing_names_do_not_make_other_paths() -> None:
    domain = Domain.of([Record(0, 0, 0, (), (1,)), Record(1, 0, 0, properties([("name", ["a/b\\c"])]), (2,)),
                        Record(2, 0, 1, (), ())])  # fmt: skip
    assert path_of(domain, 1, 2, domain.at(2).data) == rb"/a\/b\\c/dir:2"


def test_a_path_concerns_itself_and_what_is_below_and_nothing_beside() -> None:
    change = people()[0].changes[1]
    assert all(concerns(change, path) for path in (b"/", b"/users", b"/users/", b"/users/ann", b"/users/ann/"))
    assert not any(concerns(change, path) for path in (b"/users/an", b"/users/ann/x", b"/user", b"/machines"))


def test_properties_too_large_to_keep_are_told_so_and_cannot_be_undone() -> None:
    made, handle, numbers = people()
    handle.create_property(
        handle.itself(NiId(numbers["ann"], 0)), Property(b"big", (b"x" * 60_000,) * (LARGEST // 50_000))
    )
    change = made.changes[-1]
    assert change.is_cut
    assert change.before is change.after is None
    assert told(change) == ["the properties were too large to be kept"]
    with pytest.raises(InputError, match="too large"):
        made.undo(change.number)


# What differs, for eyes


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ([("a", ["1"])], [("a", ["1"]), ("b", ["2", "3"])], [("+", b"b", "2, 3")]),
        ([("a", [])], [], [("-", b"a", "")]),
        (
            [("users", [str(n) for n in range(500)])],
            [("users", [str(n) for n in range(501)])],
            [("+", b"users", "500")],
        ),
        ([("a", ["1", "2"])], [("a", ["2", "1"])], [("=", b"a", "the order of its values")]),
        ([("a", []), ("b", [])], [("b", []), ("a", [])], [("=", b"", "the order of the properties")]),
        ([("a", ["1"]), ("a", ["2"])], [("a", ["1"]), ("a", ["3"])], [("-", b"a", "2"), ("+", b"a", "3")]),
        ([("passwd", ["x"])], [("passwd", ["y"])], [("=", b"passwd", CHANGED)]),
        ([], [("_writers_passwd", ["ann"])], [("+", b"_writers_passwd", "ann")]),
    ],
)
def test_what_differs_is_told(
    before: list[tuple[str, list[str]]], after: list[tuple[str, list[str]]], lines: list[tuple[str, bytes, str]]
) -> None:
    assert differences(properties(before), properties(after)) == lines


def test_hostile_names_and_values_cannot_steer_a_terminal() -> None:
    after = (Property(b"\x1b[2J", (b"\x1b]0;owned\x07\n",)),)
    change = Change(0.0, WRITE, 8, b"\x1b[1m", "127.0.0.1\x1b", 1, 0, 0, 0, b"/\x9b", encoded(()), encoded(after))
    assert all(line.isprintable() for line in [*told(change, secrets=True), who(change)])


def test_json_hides_hashes_unless_they_are_asked_for() -> None:
    change = Change(
        0.0, WRITE, 8, b"", "a", 1, 0, 0, 0, b"/", encoded(()), encoded(properties([("passwd", ["s3cret"])]))
    )
    assert "s3cret" not in json.dumps(told_as_json(change))
    assert told_as_json(change, secrets=True)["after"] == [["passwd", ["s3cret"]]]


# Taking it back


@pytest.mark.parametrize(
    ("before", "after", "verb"),
    [
        ([("a", ["1"])], [("a", ["1"]), ("b", [])], "create_property"),
        ([("a", ["1"]), ("b", [])], [("a", ["1"])], "destroy_property"),
        ([("a", ["1"])], [("b", ["1"])], "rename_property"),
        ([("a", ["1", "3"])], [("a", ["1", "2", "3"])], "create_value"),
        ([("a", ["1", "2"])], [("a", ["2"])], "destroy_value"),
        ([("a", ["1", "2"])], [("a", ["1", "x"])], "write_value"),
        ([("a", ["1", "2"])], [("a", ["x", "y"])], "write_values"),
        ([("a", ["1"]), ("b", ["1"])], [("a", ["2"]), ("b", ["2"])], "write"),
    ],
)
def test_the_smallest_call_is_made(
    before: list[tuple[str, list[str]]], after: list[tuple[str, list[str]]], verb: str
) -> None:
    assert [one.procedure for one in steps_between(1, b"/x", properties(before), properties(after))] == [verb]


def test_what_others_did_since_stays() -> None:
    made, handle, numbers = people()
    ann = handle.write_value(handle.itself(NiId(numbers["ann"], 0)), 1, 0, b"/bin/zsh")
    ann = handle.create_property(ann, Property(b"phone", (b"1",)), 0)
    handle.create_value(ann, 3, b"c")
    assert made.undo(3) == 1
    assert now(made, numbers["ann"]) == {b"phone": (b"1",), b"name": (b"ann",), b"shell": (b"/bin/csh",),
                                         b"groups": (b"a", b"b", b"c")}  # fmt: skip


def test_a_later_change_of_the_same_is_named_and_force_overrides_it() -> None:
    made, handle, numbers = people()
    ann = handle.write_value(handle.itself(NiId(numbers["ann"], 0)), 1, 0, b"/bin/zsh")
    handle.write_value(ann, 1, 0, b"/bin/sh")
    with pytest.raises(InputError, match=r"shell of /users/ann was changed later by change 4 \(root from"):
        made.undo(3)
    assert made.undo(3, force=True) == 1
    assert now(made, numbers["ann"])[b"shell"] == (b"/bin/csh",)


def test_both_changes_of_one_property_are_undone_at_once() -> None:
    made, handle, numbers = people()
    ann = handle.write_value(handle.itself(NiId(numbers["ann"], 0)), 1, 0, b"/bin/zsh")
    handle.write_value(ann, 1, 0, b"/bin/sh")
    assert made.undo(3, 4) == 2
    assert now(made, numbers["ann"])[b"shell"] == (b"/bin/csh",)


def test_undoing_is_a_change_that_can_be_undone() -> None:
    made, handle, numbers = people()
    handle.write_value(handle.itself(NiId(numbers["ann"], 0)), 1, 0, b"/bin/zsh")
    made.undo(3)
    made.undo(4)
    assert now(made, numbers["ann"])[b"shell"] == (b"/bin/zsh",)


def test_a_directory_comes_back_at_its_place_below_a_parent_that_comes_back() -> None:
    made, handle, numbers = people()
    users = NiId(numbers["users"], 0)
    handle.create(handle.itself(users), properties([("name", ["bob"])]))
    whole = content(made.service.domain)
    handle.destroy(handle.itself(users), handle.itself(NiId(numbers["ann"], 0)))
    bob = handle.children(users)[0]
    handle.destroy(handle.itself(users), handle.itself(NiId(bob, 0)))
    handle.destroy(handle.root(), handle.itself(users))
    with pytest.raises(InputError, match="the directory above /users/ann is gone by change 6"):
        made.undo(4)
    assert made.undo(4, 5, 6) == 3
    assert content(made.service.domain) == whole


def test_a_new_directory_is_not_taken_away_with_what_stands_below_it() -> None:
    made, _, _ = people()
    with pytest.raises(InputError, match="/users has directories below it, made by change 2"):
        made.undo(1)
    assert made.undo(1, 2) == 2
    assert content(made.service.domain) == ((), ())


def test_what_was_changed_in_a_new_directory_is_not_lost_unasked() -> None:
    made, handle, numbers = people()
    handle.create_property(handle.itself(NiId(numbers["ann"], 0)), Property(b"phone", ()))
    with pytest.raises(InputError, match="was changed later by change 3"):
        made.undo(2)
    assert made.undo(2, force=True) == 1


def test_another_directory_under_the_same_number_is_left_alone() -> None:
    made, handle, numbers = people()
    ann = handle.write_value(handle.itself(NiId(numbers["ann"], 0)), 1, 0, b"/bin/zsh")
    users = NiId(numbers["users"], 0)
    handle.destroy(handle.itself(users), ann)
    twin = properties([("name", ["eve"]), ("shell", ["/bin/zsh"]), ("groups", ["a", "b"])])
    assert handle.create(handle.itself(users), twin)[0].object == numbers["ann"]  # the lowest free number (SPEC 3.1)
    with pytest.raises(InputError, match="/users/ann is gone by change 4"):
        made.undo(3)
    assert now(made, numbers["ann"])[b"shell"] == (b"/bin/zsh",)


def test_a_resync_stands_for_the_whole_and_cannot_be_undone() -> None:
    made, _, _ = people()
    made.changes.append(made.recorder.read_all(made.service.domain).replace(number=3))
    assert told(made.changes[-1]) == ["all was read anew: 3 directories"]
    with pytest.raises(InputError, match="whole domain"):
        made.undo(3)


NAMES = st.sampled_from([b"name", b"a", b"b"])
PROPERTIES = st.lists(st.builds(Property, NAMES, st.lists(st.sampled_from([b"1", b"2", b"3"]), max_size=3).map(tuple)),
                      max_size=4).map(tuple)  # fmt: skip
WRITES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 3), PROPERTIES), min_size=1, max_size=12
)


def done(writes: list[tuple[int, int, int, tuple[Property, ...]]]) -> tuple[Recorded, list[tuple[object, ...]]]:
    """A domain to which writes were done, and what it was before each."""
    made = Recorded(Domain.of([Record(0, 0, 0, properties([("name", ["r"])]), ())]))
    handle, states = Handle(made), []
    domain = made.service.domain
    for kind, pick, where, many in writes:
        numbers = sorted(domain.directories)
        one = domain.at(numbers[pick % len(numbers)])
        state = content(domain)
        if kind == 0:
            handle.create(one.ni_id, many, where)
        elif kind == 1 and one.id and not one.children:
            handle.destroy(domain.at(one.parent).ni_id, one.ni_id)
        elif kind == 2:
            handle.write(one.ni_id, many)
        elif kind == 3 and many:
            handle.create_property(one.ni_id, many[0], where)
        else:
            continue
        states.append(state)
    return made, states


@given(WRITES, st.integers(0, 11))
def test_undoing_all_from_one_on_gives_what_was_before_it(
    writes: list[tuple[int, int, int, tuple[Property, ...]]], pick: int
) -> None:
    made, states = done(writes)
    if states:
        first = pick % len(states)
        made.undo(*range(first + 1, len(states) + 1))
        assert content(made.service.domain) == states[first]


@given(WRITES, st.integers(0, 11))
def test_undoing_one_is_done_or_refused_and_touches_nothing_else(
    writes: list[tuple[int, int, int, tuple[Property, ...]]], pick: int
) -> None:
    made, states = done(writes)
    if not states:
        return
    change = made.changes[pick % len(made.changes)]
    domain = made.service.domain
    before = {number: one.properties for number, one in domain.directories.items() if number != change.directory}
    whole = content(domain)
    try:
        made.undo(change.number)
    except InputError:
        assert content(domain) == whole
        return
    others = {number: one.properties for number, one in domain.directories.items() if number in before}
    assert others == before


# In the store


def changes(count: int, size: int = 10) -> list[Change]:
    return [
        Change(float(n), WRITE, 8, b"ann", "10.0.0.5", 700, n, 0, 0, b"/%d" % n, b"x" * size, None)
        for n in range(count)
    ]


def small_store(path: Path) -> Domain:
    domain = start_domain()
    stored(path, domain)
    return domain


def test_a_change_is_stored_as_it_is_and_numbers_go_on(tmp_path: Path) -> None:
    domain = small_store(tmp_path / "x")
    first, second = changes(2)
    with Store(str(tmp_path / "x")) as store:
        store.load()
        store.commit(store.batch(domain, [first]))
    with Store(str(tmp_path / "x")) as store:
        store.load()
        store.commit(store.batch(domain, [second]))
        assert list(store.history()) == [first.replace(number=1), second.replace(number=2)]
        assert list(store.history(1)) == [second.replace(number=2)]
        assert [one.number for one in store.history(newest_first=True)] == [2, 1]


def test_no_more_changes_are_kept_than_wanted_and_no_number_comes_twice(tmp_path: Path) -> None:
    domain = small_store(tmp_path / "x")
    with Store(str(tmp_path / "x")) as store:
        store.load()
        store.keep(5)
        for _ in range(4):
            store.commit(store.batch(domain, changes(3)))
        assert [one.number for one in store.history()] == [8, 9, 10, 11, 12]
        store.keep(0)
        assert list(store.history()) == []
        store.keep(5)
        store.commit(store.batch(domain, changes(1)))
        assert [one.number for one in store.history()] == [13]


def test_no_more_bytes_are_kept_than_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_table, "MOST_BYTES", 1000)
    domain = small_store(tmp_path / "x")
    with Store(str(tmp_path / "x")) as store:
        store.load()
        store.commit(store.batch(domain, changes(30, 100)))
        assert sum(len(one.before or b"") for one in store.history()) == 1000
        store.commit(store.batch(domain, changes(1, 350)))
        assert [len(one.before or b"") for one in store.history()] == [100] * 6 + [350]


def test_a_long_history_is_read_whole_in_both_directions(tmp_path: Path) -> None:
    domain = small_store(tmp_path / "x")
    many = history_table.AT_ONCE * 2 + 1
    with Store(str(tmp_path / "x")) as store:
        store.load()
        store.commit(store.batch(domain, changes(many)))
        assert [one.number for one in store.history()] == list(range(1, many + 1))
        assert [one.number for one in store.history(3, newest_first=True)] == list(range(many, 3, -1))


def old_store(path: Path) -> Domain:
    """A store of form 2, as Portlore wrote it before there was a history."""
    domain = small_store(path.with_name("new"))
    with sqlite3.connect(path, isolation_level=None) as base:
        base.executescript(FORM_2)
        base.execute("ATTACH ? AS new", (str(path.with_name("new")),))
        base.execute("INSERT INTO directories SELECT * FROM new.directories")
        base.execute("INSERT INTO facts SELECT * FROM new.facts")
    base.close()
    return domain


def form(path: Path) -> int:
    base = sqlite3.connect(path)
    try:
        return int(base.execute("PRAGMA user_version").fetchone()[0])
    finally:
        base.close()


def test_an_older_store_is_read_as_it_is_and_gets_a_history_from_its_first_server(tmp_path: Path) -> None:
    path = tmp_path / "old"
    domain = old_store(path)
    with Store(str(path), exclusive=False) as store:
        assert list(store.load().records()) == list(domain.records())
        assert list(store.history()) == []
        assert store.newest_change() == 0
    assert form(path) == 2
    with Store(str(path)) as store:
        kept = store.load()
        assert list(kept.records()) == list(domain.records())
        store.commit(store.batch(kept, changes(1)))
        assert len(list(store.history())) == 1
    assert form(path) == 3
    with Store(str(path)) as store:
        assert len(list(store.history())) == 1


def test_a_damaged_history_is_said_to_be_so(tmp_path: Path) -> None:
    small_store(tmp_path / "x")
    base = sqlite3.connect(tmp_path / "x")
    base.execute("DROP TABLE history")
    base.execute("CREATE TABLE history (number INTEGER PRIMARY KEY)")
    base.commit()
    base.close()
    with Store(str(tmp_path / "x"), exclusive=False) as store, pytest.raises(DataError, match="damaged"):
        list(store.history())


# A server that records


@pytest.mark.skipif(not hasattr(time, "clock_gettime"), reason="needs a system with the clocks of POSIX")
def test_a_server_records_who_wrote_what_and_its_store_keeps_it_over_a_crash(tmp_path: Path) -> None:
    domain = open_domain(2)
    domain.create(domain.at(0), properties([("name", ["users"])]), LAST)
    users = domain.path(b"users")
    assert users is not None
    user = [("name", ["ann"]), ("uid", ["1001"]), ("passwd", [make_des(b"secret").decode()]), ("_writers", ["ann"])]
    ann = domain.create(domain.at(users), properties(user), LAST)
    path = stored(tmp_path / "x", domain)
    before = time.time()
    with server(path, "--classic") as one:
        assert served_at(str(path)) == f"127.0.0.1:{one.port}/conv"
        with Line(one.port) as line:
            given = opaque(b"shell") + uint(1) + opaque(b"/bin/zsh") + uint(LAST)
            assert line.ask(12, ni_id(ann.id, 0) + given, login(1001, b"secret"))[-12:-8] == uint(0)
            wrong = line.ask(12, ni_id(ann.id, 1) + given, login(1001, b"wrong!"))
            assert wrong[-4:] == uint(20)
        with writers(one.port, 2, 20) as many:
            one.kill()
    assert served_at(str(path)) is None
    with Store(str(path), exclusive=False) as store:
        found, kept = list(store.history()), store.load()
    assert (found[0].user, found[0].address, found[0].path, found[0].call) == (
        b"ann", "127.0.0.1", b"/users/ann", "createprop",
    )  # fmt: skip
    assert before - 1 <= found[0].at <= time.time() + 1
    assert found[0].port >= 1024
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    made = {name for change in found[1:] for name in [change.path.rpartition(b"/")[2]]}
    there = {(kept.values(child, b"name") or (b"",))[0] for n in (1, 2) for child in kept.at(n).children}
    assert made == there >= {name for one in many for name in one.acknowledged}
    assert all(change.user == b"" for change in found[1:])


def test_a_server_told_to_keep_none_records_nothing_and_forgets(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    with Store(str(path)) as store:
        store.commit(store.batch(store.load(), changes(3)))
    with server(path, "--classic", "--history", "0") as one, Line(one.port) as line:
        create = ni_id(1, 0) + named((b"name", [b"n"])) + uint(LAST) + uint(0)
        assert line.ask(5, create)[-20:-16] == uint(0)
    with Store(str(path), exclusive=False) as store:
        assert list(store.history()) == []
        assert len(store.load().at(1).children) == 1


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["x", "-1", "1e3", "", "99999999999"]))
def test_a_wrong_number_of_changes_is_refused(tmp_path: Path, text: str) -> None:
    from portlore.cli.netinfo import _count

    with pytest.raises(InputError, match="not a number of changes"):
        _count(text)


# The commands


def test_history_undo_and_a_dry_run_by_the_commands(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    with server(path, "--classic") as one:
        with Line(one.port) as line:
            line.ask(
                5,
                ni_id(1, 0)
                + named((b"name", [b"bob"]), (b"passwd", [b"abcdefgh"]), (b"_writers", [b"*"]))
                + uint(LAST)
                + uint(0),
            )
            line.ask(12, ni_id(17, 0) + opaque(b"shell") + uint(1) + opaque(b"/bin/zsh") + uint(LAST))
        shown = run("history", path)
        assert shown.returncode == 0, shown.stderr
        assert "abcdefgh" not in shown.stdout
        assert "    + shell: /bin/zsh" in shown.stdout.splitlines()
        assert max(map(len, shown.stdout.splitlines())) <= 80
        assert "abcdefgh" in run("history", path, "--show-secrets").stdout
        assert run("history", path, "/c2").returncode == 1
        found = json.loads(run("history", path, "/c1", "--limit", "1", "--json").stdout)
        assert [change["number"] for change in found["changes"]] == [2]
        dry = run("undo", path, "2", "1", "--dry-run")
        assert dry.returncode == 0
        assert all(line.startswith("would /c1/bob: ") for line in dry.stdout.splitlines())
        assert not run("history", path, "--since", "2999-01-01").stdout
        undone = run("undo", path, "2")
        assert (undone.returncode, undone.stderr) == (0, "")
        assert one.line(r"call=destroyprop directory=17")
    offline = run("undo", path, "3")  # nobody serves it: in the file itself
    assert offline.returncode == 0, offline.stderr
    with Store(str(path), exclusive=False) as store:
        assert store.load().values(17, b"shell") == (b"/bin/zsh",)
        assert [change.user for change in store.history(3)] == [b"root"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("history", "nowhere"), "there is no such file"),
        (("history", "10.0.0.1/network"), "not told to others"),
        (("undo", "nowhere", "1"), "there is no such file"),
        (("history", "{path}", "users"), "does not begin at the root"),
        (("history", "{path}", "--since", "yesterday"), "not a day"),
        (("history", "{path}", "--limit", "0"), "not a number of changes"),
        (("undo", "{path}", "77"), "the history does not have it"),
        (("tail", "{path}", "--every", "0"), "not from 0.01"),
        (("tail", "127.0.0.1/network", "--since", "1"), "it keeps no numbers"),
    ],
)
def test_wrong_questions_are_one_line_and_exit_2(tmp_path: Path, words: tuple[str, ...], found: str) -> None:
    path = stored(tmp_path / "x")
    told_ = run(*[word.format(path=path) for word in words])
    assert told_.returncode == 2
    assert found in told_.stderr
    assert len(told_.stderr.splitlines()) == 1


def test_times_are_days_moments_and_how_long_ago() -> None:
    assert moment("90m", 10_000.0) == 10_000 - 5400
    assert moment("7d", 1e6) == 1e6 - 7 * 86400
    assert moment("1970-01-02T00:00:00+00:00", 0.0) == 86400.0


def test_kinds_of_who_are_told_apart() -> None:
    one = changes(1)[0]
    assert who(one) == "ann from 10.0.0.5"
    assert who(one.replace(user=b"")) == "nobody in particular from 10.0.0.5"
    assert who(one.replace(kind=PUSH)) == who(one.replace(kind=RESYNC)) == "the master, 10.0.0.5"


def test_the_file_of_a_server_that_has_ended_is_nobodys(tmp_path: Path) -> None:
    path = stored(tmp_path / "x")
    with server(path) as one:
        wait_for(lambda: served_at(str(path)) is not None)
        one.end()
    assert served_at(str(path)) is None
