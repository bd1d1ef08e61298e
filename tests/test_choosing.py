"""Choosing, ordering and comparing listeners, and writing them for machines and eyes."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from seeing import hidden, listener, owner

from portlore.comparing import ChangeWord, compare, label, owners_of, parse_listeners
from portlore.errors import InputError, ParseError
from portlore.filtering import SORTS, Choice, choose, in_order, parse_wanted
from portlore.render.classic import CLASSIC, Holder
from portlore.render.formats import FORMATS, Document
from portlore.render.listening import Page, owner_text, summary
from portlore.render.listing import listener_changes
from portlore.render.sockets import encoded, flat, row
from portlore.render.terminal import Style, columns_of
from portlore.seen import Container, Exposure, Hidden, Process, Reason

CONTAINER = Container("docker", "ab" * 32, "web", "prod/web-1")
NGINX = listener(
    80, "0.0.0.0", owner("nginx", 5, "www-data", "nginx.service"), owner("nginx", 6, "www-data", "nginx.service")
)
POSTGRES = listener(5432, "127.0.0.1", owner("postgres", 9, "postgres", "postgresql@15-main.service"))
NODE = listener(7035, "::", owner("node", 12, "ann", container=CONTAINER))
DNS = listener(53, "0.0.0.0", hidden(unit="named.service"), transport="udp")
CLIENT = listener(703, "10.0.0.9", owner("mount.nfs", 3), peer="10.0.0.5", peer_port=2049)
HOSTILE = listener(7036, "127.0.0.1", owner("ev\x1b]0;il\n\x07é\\udce9", 66, "eve", "x\x1b.service"))
ALL = [NGINX, POSTGRES, NODE, DNS, CLIENT, HOSTILE]

QUERIES = [
    ("5432", [POSTGRES]),
    (":5432", [POSTGRES]),
    ("5000-8000", [POSTGRES, NODE, HOSTILE]),
    (":5000-8000", [POSTGRES, NODE, HOSTILE]),
    ("53/udp", [DNS]),
    ("53/tcp", []),
    ("nginx", [NGINX]),
    ("NGINX", [NGINX]),
    ("nginx.service", [NGINX]),
    ("postgresql", [POSTGRES]),  # the registered service, and the unit before its @
    ("web", [NODE]),
    ("ab" * 6, [NODE]),
    ("named", [DNS]),
    ("domain", [DNS]),
    ("127.0.0.1", [POSTGRES, HOSTILE]),
    ("127.0.0.1:5432", [POSTGRES]),
    ("*:80", [NGINX]),
    ("[::]:7035", [NODE]),
    ("10.0.0.1:80", []),
    ("nothing", []),
]


@pytest.mark.parametrize(("text", "found"), QUERIES)
def test_a_question_chooses_by_port_process_unit_container_or_service(text: str, found: list[Any]) -> None:
    assert choose(ALL, Choice((parse_wanted(text),))) == in_order(found, "port")


def test_several_questions_are_alternatives_and_options_narrow_them() -> None:
    both = tuple(map(parse_wanted, ("80", "5432")))
    assert choose(ALL, Choice(both)) == [NGINX, POSTGRES]
    assert choose(ALL, Choice(both, exposed=True)) == [NGINX]
    assert choose(ALL, Choice(user="www-data")) == [DNS, NGINX]
    assert choose(ALL, Choice(user="33")) == [DNS]
    assert choose(ALL, Choice(transport="udp")) == [DNS]
    assert choose(ALL, Choice(unexpected=True)) == [NODE]
    assert not Choice().narrow


@pytest.mark.parametrize(
    "text", ["70000", ":70000", "8000-", "9000-8000", "", ":", "007", "53/ucp", "80/", "127.0.0.1:70000"]
)
def test_a_number_that_is_no_port_is_an_error(text: str) -> None:
    with pytest.raises(InputError):
        parse_wanted(text)


@pytest.mark.parametrize("text", ["389-ds", "9pfs", "nginx/x", "a:80"])
def test_a_name_may_begin_with_a_digit(text: str) -> None:
    assert parse_wanted(text).word == text


def test_every_order_is_total_and_begins_with_what_it_says() -> None:
    for name in SORTS:
        assert sorted(map(id, in_order(ALL, name))) == sorted(map(id, ALL))
    assert [one.socket.port for one in in_order(ALL, "port")] == [53, 80, 703, 5432, 7035, 7036]
    assert in_order(ALL, "exposure")[0] in (NGINX, NODE, DNS)
    assert in_order(ALL, "judgement")[0] is DNS  # unknown, then unregistered
    assert in_order(ALL, "process")[-1] is DNS  # hidden ones last


def test_rows_are_the_same_however_they_are_encoded() -> None:
    for one, text in zip(ALL * 2, encoded(ALL * 2), strict=True):
        assert json.loads(text) == json.loads(json.dumps(row(one)))


def test_the_keys_are_the_contract() -> None:
    assert list(row(NGINX)) == [
        "port", "transport", "address", "family", "device", "exposure", "state", "peer", "namespace", "owners", "said",
        "judgement", "unexpected", "why",
    ]  # fmt: skip
    assert list(row(NGINX)["owners"][0]) == ["uid", "user", "unit", "container", "pod", "process"]
    assert list(row(NGINX)["owners"][0]["process"]) == ["pid", "name", "program"]
    assert row(DNS)["owners"][0]["process"] == {
        "hidden": "permission",
        "what": "a process of another user",
        "do": "run it as root",
    }
    assert row(NODE)["owners"][0]["container"] == {"runtime": "docker", "id": "ab" * 32, "name": "web"}
    assert row(NODE)["owners"][0]["pod"] == "prod/web-1"
    assert row(CLIENT)["peer"] == "10.0.0.5:2049"
    assert (row(CLIENT)["judgement"], row(CLIENT)["unexpected"]) == (None, False)


def test_csv_has_a_row_a_listener_that_reads_back() -> None:
    text = "".join(FORMATS["csv"](Document({}, (("listeners", map(flat, ALL)),))))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [one["port"] for one in rows] == ["80", "5432", "7035", "53", "703", "7036"]
    assert rows[0]["pid"] == "5 6"
    assert rows[1]["unit"] == "postgresql@15-main.service"


@pytest.mark.parametrize("width", [40, 60, 80, 110])
@pytest.mark.parametrize("colour", [False, True])
def test_the_page_fits_its_width_and_lets_nothing_raw_through(width: int, colour: bool) -> None:
    page = Page(Style(width, colour), lambda _: "10:00", explain=True)
    for line in page.lines(ALL):
        plain = line
        for code in ("1", "2", "31", "32", "33", "36", "0"):
            plain = plain.replace(f"\x1b[{code}m", "")
        assert columns_of(plain) <= width, plain
        assert plain.isprintable(), plain
        assert colour or "\x1b" not in line


def test_the_page_names_owners_exposure_and_reason() -> None:
    text = "\n".join(Page(Style(100), lambda _: "10:00").lines(ALL))
    for words in (
        "nginx 5+1 (www-data)",
        "* v4+v6",
        "docker web",
        "pod prod/web-1",
        "named.service",
        "expected",
        "run it as root",
    ):
        assert words in text, words
    assert "nobody registered this port" in text  # the reason of what is unexpected is always told
    assert "registered for postgresql" not in text
    assert summary(ALL) == "6 sockets: 2 expected, 2 unregistered, 1 unknown, 1 not judged"
    assert summary([]) == "0 sockets"


def made_up(**changes: Any) -> Any:
    """NGINX's listener with another socket."""
    return NGINX.replace(socket=NGINX.socket.replace(**changes))


def test_a_raw_socket_is_shown_by_its_protocol_and_judged_by_nobody() -> None:
    raw = made_up(transport="raw", port=58).replace(judgement=None, said=None, why="it has no port")
    assert row(raw)["port"] is None
    assert row(raw)["protocol"] == "ipv6-icmp"
    assert json.loads(next(iter(encoded([raw])))) == row(raw)
    (line, *_) = [line for line in Page(Style(80), lambda _: "").lines([raw]) if "icmpv6/raw" in line]
    assert line.rstrip().endswith("raw")


def test_details_tell_peer_namespace_device_directory_and_start() -> None:
    process = Process(7, "web", "/usr/bin/web", ("web", "--all"), "/srv", 1.0)
    full = made_up(namespace="ns1", device="eth0").replace(owners=(owner("x").replace(process=process),))
    text = "\n".join(Page(Style(110), lambda _: "10:00").lines([full]))
    for words in ("on eth0", "in namespace ns1", "web --all", "in /srv", "since 10:00"):
        assert words in text, words
    assert row(full)["owners"][0]["process"]["command"] == ["web", "--all"]
    long = made_up(address="2001:db8:aaaa:bbbb:cccc:dddd:eeee:1", exposure=Exposure.PUBLIC)
    assert any("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:1]:80" in line for line in Page(Style(80), str).lines([long]))


def test_owners_without_a_process_are_named_by_what_is_known() -> None:
    kernel = owner("x").replace(process=Hidden(Reason.KERNEL, "the kernel's NFS server", ""))
    boxed = owner("x", container=CONTAINER).replace(process=Hidden(Reason.PERMISSION, "another user's", "sudo"))
    bare = owner("x").replace(process=Hidden(Reason.PERMISSION, "another user's", "sudo"), user=None)
    crowd = [owner(name, number) for number, name in enumerate("abcde", 1)]
    told = [owner_text(owners) for owners in ([kernel], [boxed], [bare], crowd)]
    assert told == [
        "the kernel's NFS server (root)",
        "container web (root)",
        "hidden (0)",
        "a 1 (root), b 2 (root), c 3 (root) and 2 more",
    ]


def test_wide_names_are_cut_to_their_column() -> None:
    wide = NGINX.replace(owners=(owner("サーバー" * 9),))
    for line in Page(Style(80), str).lines([wide]):
        assert columns_of(line) <= 80


def test_sockets_of_one_address_share_a_line() -> None:
    pair = [listener(7030, "127.0.0.1", owner("a", 1)), listener(7030, "127.0.0.1", owner("a", 2))]
    lines = list(Page(Style(80), lambda _: "").lines(pair))
    assert sum("7030/tcp" in line for line in lines) == 1
    assert any("2 sockets share it" in line for line in lines)


@pytest.mark.parametrize("name", CLASSIC)
def test_classic_views_let_nothing_raw_through(name: str) -> None:
    for line in CLASSIC[name](ALL, lambda pid: Holder("n\x1b[0m x", "u", "/bin/x\x1b[0m")):
        assert line.isprintable()


def rows(*listeners: Any) -> list[Any]:
    return [json.loads(text) for text in encoded(listeners)]


def test_a_service_that_was_started_again_is_no_change() -> None:
    again = listener(80, "0.0.0.0", owner("nginx", 500, "www-data", "nginx.service"))
    assert compare(rows(*ALL), rows(again, POSTGRES, NODE, DNS, HOSTILE)) == []


def test_what_appeared_vanished_moved_and_changed_is_told() -> None:
    other = listener(5432, "127.0.0.1", owner("mysqld", 7, "mysql", "mysql.service"))
    exposed = listener(80, "0.0.0.0", owner("nginx", 5, "root", "nginx.service"))
    changes = compare(rows(NGINX, POSTGRES, DNS), rows(exposed, other, NODE))
    told = [(one.change, one.port, one.field, one.before, one.after) for one in changes]
    assert told == [
        (ChangeWord.VANISHED, 53, "", "", ""),
        (ChangeWord.CHANGED, 80, "user", "www-data", "root"),
        (ChangeWord.OWNER, 5432, "owner", "postgresql@15-main.service", "mysql.service"),
        (ChangeWord.APPEARED, 7035, "", "", ""),
    ]
    assert changes[3].judgement == "unregistered"
    text = "\n".join(listener_changes(changes, Style(80)))
    assert "+ appeared  7035/tcp on ::, container web" in text
    assert "user www-data → root" in text


def test_a_listener_is_known_by_container_unit_or_program() -> None:
    assert owners_of(row(NODE)) == "container web"
    assert owners_of(row(NGINX)) == "nginx.service"
    assert label({"unit": "session-3.scope", "process": {"name": "node"}}) == "node"
    assert (
        label({"unit": None, "process": {"hidden": "kernel", "what": "the kernel's NFS server"}})
        == "the kernel's NFS server"
    )
    both = {
        "owners": [
            {"process": {"name": "systemd"}, "unit": "init.scope"},
            {"unit": "ssh.service", "process": {"name": "sshd"}},
        ]
    }
    assert owners_of(both) == "ssh.service"


def test_json_and_ndjson_are_both_read() -> None:
    whole = "".join(FORMATS["json"](Document({}, (("listeners", encoded(ALL)),))))
    lines = "".join(FORMATS["ndjson"](Document({}, (("listeners", encoded(ALL)),))))
    assert parse_listeners(whole, "a") == parse_listeners(lines, "b") == (rows(*ALL), {})
    assert parse_listeners(lines.splitlines()[0], "c")[0] == rows(NGINX)


WRONG = ["", "x", "[]", "{}", '{"listeners": 3}', '{"listeners": [3]}', '{"listeners": [{"transport": "tcp"}]}',
         '{"listeners": [{"transport": "tcp", "address": "x", "port": "80", "owners": []}]}',
         '{"listeners": [{"transport": "tcp", "address": "x", "port": 80, "owners": [3]}]}', "[" * 100_000]  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_file_that_is_no_list_of_listeners_is_refused_by_name(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_listeners(text, "monday.json")
    assert "monday.json" in str(caught.value)


KEYS = ["port", "transport", "address", "owners", "unit", "process", "container", "name"]


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)


@given(st.recursive(LEAVES, nested))
def test_any_json_is_compared_or_refused(value: object) -> None:
    for document in (
        {"listeners": [value]},
        {"listeners": [{"transport": "tcp", "address": "::", "port": 1, "owners": [value]}]},
    ):
        try:
            found, _ = parse_listeners(json.dumps(document), "x")
        except ParseError:
            continue
        compare(found, [])
        compare([], found)


def test_reasons_for_a_hidden_process_are_words_of_the_contract() -> None:
    for reason in Reason:
        one = listener(7035, "127.0.0.1", hidden(reason))
        assert row(one)["owners"][0]["process"]["hidden"] == reason
