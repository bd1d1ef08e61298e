"""What a scan gives back: the tally, the state file, rows and documents, nmap's XML, comparing and merging."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libnmap.parser import NmapParser  # type: ignore[import-untyped]

from portlore.errors import HostError, InputError, ParseError
from portlore.model import Status
from portlore.observed import Confidence, Evidence, Identification, Observation, Outcome, Target
from portlore.render.nmap_xml import begin, end, host
from portlore.render.observations import Feed, escaped, flat, row, unescaped
from portlore.render.scanning import Lines, folded, summary_lines
from portlore.render.terminal import Style, columns_of
from portlore.scan.plan import CODES, ELSEWHERE, OPEN, REFUSED, TIMEOUT, UNASKED, Account, Block
from portlore.scan.results import compare, is_scan, merge, parse_results
from portlore.scan.state import State, read_state, write_state
from portlore.scan.tally import Tally, Tarpit, chance, joined, missed_text
from portlore.seen import Exposure, Judgement, JudgementWord, Said

SAID = Said(Status.ASSIGNED, ("ssh",), ())
HOSTILE = 'OpenSSH\x1b[2J<&"\x00\u202e'
SSH = Identification(
    "ssh", "OpenSSH", "9.2p1", Confidence.CERTAIN, (("os", "Debian"),), (Evidence("ssh", b"", b"SSH-2.0\xff\r\n"),)
)
INSIDE = Identification(
    "http", "nginx", "1.22", facts=(("title", "hello"), ("version", "x")), evidence=(Evidence("http", b"GET", b"HTTP"),)
)
TLS = Identification("tls", facts=(("version", "1.3"),), evidence=(Evidence("tls", b"\x16", b"\x16"),), inside=INSIDE)


def seen(port: int = 22, told: Identification | None = None, outcome: Outcome = Outcome.OPEN, address: str = "10.0.0.5",
         word: JudgementWord = JudgementWord.EXPECTED) -> Observation:  # fmt: skip
    judgement = Judgement(word, "because") if outcome is Outcome.OPEN else None
    return Observation(Target(address, port, "tcp", "db.example"), outcome, "syn-ack", 0.0012345678, 1.5, told,
                       Exposure.PRIVATE, SAID, judgement)  # fmt: skip


@given(st.binary(max_size=80))
def test_evidence_goes_to_text_and_back_byte_for_byte(data: bytes) -> None:
    text = escaped(data)
    assert text.isascii()
    assert text.isprintable() or not text
    assert unescaped(text) == data


KEYS = ["port", "transport", "address", "host", "exposure", "outcome", "reason", "took", "at", "protocol", "product",
        "version", "confidence", "within", "facts", "evidence", "said", "judgement", "why"]  # fmt: skip


def test_a_row_has_the_keys_of_the_contract_in_order() -> None:
    found = row(seen(told=SSH))
    assert list(found) == KEYS
    assert (found["protocol"], found["product"], found["version"]) == ("ssh", "OpenSSH", "9.2p1")
    assert found["evidence"] == [{"probe": "ssh", "sent": "", "received": r"SSH-2.0\xff\x0d\x0a"}]
    assert found["took"] == 0.001235


def test_what_speaks_within_tls_is_the_protocol_and_both_layers_give_facts_and_evidence() -> None:
    found = row(seen(443, TLS))
    assert (found["protocol"], found["within"]) == ("http", ["tls"])
    assert found["facts"] == {"version": "1.3", "title": "hello", "version 2": "x"}
    assert [proof["probe"] for proof in found["evidence"]] == ["tls", "http"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_document_that_is_written_while_rows_come_is_the_document(count: int) -> None:
    rows = [row(seen(port, SSH)) for port in range(1, count + 1)]
    feed = Feed("json")
    text = "".join([*map(feed.row, rows), feed.end({"ended": "complete"})])
    assert json.loads(text) == {"observations": rows, "summary": {"ended": "complete"}}
    lines = Feed("ndjson")
    text = "".join([*map(lines.row, rows), lines.end({"ended": "complete"})])
    assert [json.loads(line) for line in text.splitlines()] == rows
    table = Feed("csv")
    text = "".join([*map(table.row, rows), table.end({})])
    read = list(csv.DictReader(io.StringIO(text)))
    assert [int(one["port"]) for one in read] == list(range(1, count + 1))
    assert [one["status"] for one in read] == ["assigned"] * count


def test_a_row_is_on_its_way_as_soon_as_it_is_given() -> None:
    for form in ("json", "ndjson", "csv"):
        assert "10.0.0.5" in Feed(form).row(row(seen()))


BLOCK = Block(4, (1, 2, 3), tuple(range(1, 101)))


def outcomes(*rows: bytes) -> bytearray:
    return bytearray(b"".join(one * (100 // len(one)) for one in rows))


def test_hosts_and_outcomes_are_counted_and_udp_of_a_host_is_no_other_host() -> None:
    tally = Tally()
    answers = outcomes(bytes([REFUSED, TIMEOUT]), bytes([TIMEOUT]), bytes([OPEN, REFUSED]))
    assert tally.add(BLOCK, answers, Account(sent=300)) == []
    udp = Block(4, (1, 2, 3), (53,), "udp")
    tally.add(udp, bytearray([TIMEOUT, REFUSED, OPEN]), Account(sent=3))
    assert (tally.hosts, tally.answered, tally.open_hosts) == (3, 3, 1)
    assert tally.outcomes()["open"] == 51
    assert tally.outcomes()["timeout"] == 151
    assert tally.account.sent == 303
    assert sum(tally.outcomes().values()) == 303


def test_a_host_with_nearly_everything_open_is_a_tarpit_also_in_a_shard() -> None:
    tally = Tally()
    found = tally.add(BLOCK, outcomes(bytes([OPEN]), bytes([OPEN, REFUSED]), bytes([REFUSED])), Account())
    assert found == [0]
    half = Block(4, (9,), tuple(range(1, 201)))
    assert Tally().add(half, bytearray([OPEN, ELSEWHERE] * 100), Account()) == [0]
    assert Tally().add(Block(4, (9,), tuple(range(1, 21))), bytearray([OPEN] * 20), Account()) == []
    assert "10.0.0.1: 99 of 100 TCP ports are open" in str(Tarpit("10.0.0.1", "tcp", 99, 100))


ACCOUNTS = st.builds(
    Account, *[st.integers(1, 10**6)] * 6, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 99),
    st.lists(st.text(max_size=9), max_size=3, unique=True).map(tuple))  # fmt: skip


@given(ACCOUNTS, ACCOUNTS)
def test_two_accounts_are_one_whose_chances_are_chances(first: Account, second: Account) -> None:
    both = joined(first, second)
    assert both.sent == first.sent + second.sent
    assert max(first.missed, second.missed) - 1e-9 <= both.missed <= 1
    assert min(first.lost, second.lost) - 1e-9 <= both.lost <= max(first.lost, second.lost) + 1e-9
    assert joined(Account(), Account()) == Account()
    assert joined(Account(), first).replace(took=0.0) == joined(first, Account()).replace(took=0.0)


@given(ACCOUNTS, st.lists(st.sampled_from([0, *CODES]), min_size=300, max_size=300))
def test_a_tally_goes_to_a_state_file_and_back(account: Account, codes: list[int]) -> None:
    tally = Tally()
    tally.add(BLOCK, bytearray(codes), account)
    tally.tarpits.append(Tarpit("10.0.0.1", "tcp", 1, 2))
    again = Tally.of(json.loads(json.dumps(tally.plain())))
    assert again.plain() == tally.plain()


def test_what_may_have_been_missed_is_said() -> None:
    counts = dict.fromkeys(Tally().outcomes(), 0)
    assert "no port that was asked stayed silent" in missed_text({**counts, "refused": 5}, Account(), 4, ("tcp",))
    silent = missed_text({**counts, "timeout": 1234}, Account(missed=0.02), 4, ("tcp", "udp"))
    assert "1,234 ports never answered, asked up to 4 times each" in silent
    assert "about 2 %" in silent
    assert "UDP" in silent
    assert "7 ports were not asked" in missed_text({**counts, "not-asked": 7}, Account(), 4, ("tcp",))
    assert chance(Account(missed=1e-9)) == "below 0.0001 %"


QUESTION = {"targets": "10.0.0.1-10.0.0.9", "ports": "1-100", "shard": "1/1", "shown": "open"}


def state() -> State:
    inside = Identification("http", "\x1b[31m\ud800", "1", Confidence.LIKELY, (("title", "\0"),))
    proof = Evidence("tls", b"\\", bytes(range(256)))
    told = Identification("tls", "", "", Confidence.CERTAIN, (("alpn", "h2"),), (proof,), inside)
    found = (
        Observation(Target("10.0.0.1", 22, "tcp"), Outcome.OPEN, "syn-ack", 0.001, 1.5),
        Observation(Target("fe80::1%eth0", 703, "udp", "a.example"), Outcome.OPEN, "udp answer", None, 1.5, told),
    )
    return State(QUESTION, 3, (b"\1\2",), bytes([OPEN, UNASKED]), found, Tally(), 99.5)


def test_a_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "scan.state"
    assert read_state(path, QUESTION) is None
    write_state(path, state())
    again = read_state(path, QUESTION)
    assert again is not None
    assert (again.done, again.closed, again.outcomes) == (3, (b"\1\2",), b"\1\0")
    assert again.found == state().found
    assert again.tally.plain() == Tally().plain()
    assert [one.name for one in tmp_path.iterdir()] == ["scan.state"]


def test_the_state_of_another_question_is_refused_and_says_what_differs(tmp_path: Path) -> None:
    write_state(tmp_path / "s", state())
    with pytest.raises(InputError, match=r"another scan: ports 1-100 there, 1-200 here"):
        read_state(tmp_path / "s", {**QUESTION, "ports": "1-200"})


@given(st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_a_damaged_or_cut_state_is_said_and_never_gone_on_from(at: int, byte: int, cut: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        write_state(path, state())
        data = bytearray(path.read_bytes())
        at %= len(data)
        if cut:
            del data[at:]
        else:
            data[at] ^= byte or 1
        path.write_bytes(data)
        with pytest.raises(InputError):
            read_state(path, QUESTION)


def test_a_file_that_is_no_state_and_a_place_without_room_are_said(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("hello\n")
    with pytest.raises(InputError, match="no state of a scan"):
        read_state(tmp_path / "s", QUESTION)
    with pytest.raises(InputError):
        read_state(tmp_path, QUESTION)
    with pytest.raises(HostError):
        write_state(Path("/proc/nowhere/s"), state())


SUMMARY = {
    "asked": {**QUESTION, "shard": "1/2"}, "ended": "complete", "began": 1.0, "took": 2.0, "snapshot": "2026-08-17",
    "settings": {"rate": None, "ceiling": None, "tries": 4, "budget": 0.0}, "engines": {"tcp": "syn"},
    "policy": {"allowed": True, "addresses": {"public": 1}}, "hosts": {"asked": 1, "answered": 1, "open": 1},
    "outcomes": {**Tally().outcomes(), "open": 1, "timeout": 9},
    "account": {"sent": 19, "answered": 1, "reasked": 9, "unanswered": 9, "icmp": 1, "rounds": 2, "rtt": 0.001,
                "lost": 0.01, "missed": 0.3, "took": 2.0, "notes": ["resets are limited"]},
    "missed": "9 ports never answered", "tarpits": [], "exposure": {"private": 1}, "judgements": {"refuted": 1},
    "advice": ["look"], "notes": ["resets are limited"],
}  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 110])
@pytest.mark.parametrize("several", [False, True])
def test_lines_for_eyes_fit_and_nothing_hostile_gets_through(width: int, several: bool) -> None:
    lines = Lines(Style(width), several=several, identify=True)
    hostile = SSH.replace(product=HOSTILE * 9)
    shown = [seen(told=hostile, address="2001:db8:1111:2222:3333:4444:5555:6666", word=word) for word in JudgementWord]
    shown += [seen(), *(seen(outcome=outcome) for outcome in Outcome)]
    text = [line for one in shown for line in lines.lines(one)]
    text += [lines.heading(), *folded("10.0.0.1", 65000, Style(width)), *summary_lines(SUMMARY, Style(width))]
    assert max(map(columns_of, text)) <= max(width, max(width, 60))
    assert all(line.isprintable() for line in text)


def test_a_name_by_number_is_marked_as_no_more_than_that() -> None:
    lines = Lines(Style(80), several=False, identify=False)
    (line,) = lines.lines(seen())
    assert "ssh?" in line
    assert line.endswith("by number")
    (line,) = Lines(Style(80), several=False, identify=True).lines(seen(told=SSH))
    assert "ssh OpenSSH 9.2p1" in line
    assert line.endswith("expected")
    assert "by number" not in line


def test_the_summary_says_what_was_missed_allowed_and_how_it_ended() -> None:
    text = "\n".join(summary_lines({**SUMMARY, "ended": "interrupted"}, Style(100)))
    for words in (
        "9 silent",
        "missed: 9 ports never answered",
        "--i-am-allowed",
        "interrupted",
        "resets are limited",
        "look",
    ):
        assert words in text


def document() -> str:
    rows = [row(seen(22, SSH)), row(seen(443, TLS)), row(seen(8080)), row(seen(25, SSH.replace(product=HOSTILE)))]
    head = begin('portlore scan <x> "&', 1.0, "0.3", [("syn", "tcp", 100, "1-100"), ("udp", "udp", 1, "53")])
    hosts = host("10.0.0.5", rows, {("tcp", "refused"): 95, ("tcp", "timeout"): 1}, 1.0, 2.0)
    return "".join([*head, *hosts, *host("fe80::1%eth0", [], {("tcp", "refused"): 100}, 1.0, 2.0), *end(SUMMARY, 2.0)])


def test_the_xml_is_read_back_by_python_libnmap() -> None:
    report = NmapParser.parse(document())
    assert report.hosts_up == 1
    first, second = report.hosts
    assert first.address == "10.0.0.5"
    assert first.hostnames == ["db.example"]
    assert {port for port, _ in first.get_open_ports()} == {22, 25, 443, 8080}
    ssh = first.get_service(22)
    assert (ssh.service, ssh.service_dict["product"], ssh.service_dict["version"]) == ("ssh", "OpenSSH", "9.2p1")
    assert ssh.service_dict["method"] == "probed"
    assert first.get_service(8080).service_dict["method"] == "table"
    assert first.get_service(443).tunnel == "ssl"
    assert second.ipv6 == "fe80::1"


def test_nothing_hostile_gets_through_the_xml() -> None:
    text = document()
    root = ElementTree.fromstring(text)
    assert root.tag == "nmaprun"
    assert "\x1b" not in text
    assert "\u202e" not in text
    product = root.find(".//port[@portid='25']/service")
    assert product is not None
    assert product.get("product") == r'OpenSSH\x1b[2J<&"\x00\u202e'
    assert root.find(".//script") is None, "ndiff of Debian 12 fails where the results of scripts differ"
    assert str(product.get("extrainfo")).startswith("expected: ")


def test_ndiff_takes_the_xml_and_sees_what_changed(tmp_path: Path) -> None:
    from shutil import which

    if which("ndiff") is None:
        pytest.skip("needs ndiff")
    before, after = tmp_path / "a.xml", tmp_path / "b.xml"
    before.write_text(document())
    port = '<port protocol="tcp" portid="8080"><state state='
    after.write_text(document().replace(f'{port}"open"', f'{port}"closed"'))
    same = subprocess.run(["ndiff", before, before], capture_output=True, text=True, check=False)
    assert same.returncode == 0, same.stderr
    named = document().replace('method="table"', 'method="probed" extrainfo="squatting: registered for another"')
    (tmp_path / "c.xml").write_text(named.replace('method="probed"', 'method="table"'))
    judged = subprocess.run(["ndiff", before, tmp_path / "c.xml"], capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stderr) == (1, ""), "what it says of a port that only one of them identified"
    other = subprocess.run(["ndiff", before, after], capture_output=True, text=True, check=False)
    assert other.returncode == 1, other.stderr
    assert "8080/tcp" in other.stdout


def as_json(*rows: dict[str, object], **summary: object) -> str:
    return json.dumps({"observations": rows, "summary": {**SUMMARY, "asked": QUESTION, **summary}})


ROWS = [row(seen(22, SSH)), row(seen(443, TLS))]


@pytest.mark.parametrize("text", ["", "\ufeff", " \n"])
def test_an_empty_file_is_said_to_be_one_and_not_taken_for_a_scan_that_found_nothing(text: str) -> None:
    with pytest.raises(ParseError, match=r"it is empty.*write it with `portlore scan --json`"):
        parse_results(text, "file")


def test_every_form_of_a_result_is_read_back() -> None:
    ndjson = "\n".join(map(json.dumps, ROWS))
    table = Feed("csv")
    texts = [as_json(*ROWS), ndjson, "".join([*map(table.row, ROWS), table.end({})])]
    texts.append(
        "".join(
            [*begin("x", 1, "1", [("syn", "tcp", 2, "22,443")]), *host("10.0.0.5", ROWS, {}, 1, 2), *end(SUMMARY, 2)]
        )
    )
    for text in texts:
        assert is_scan(text)
        found = parse_results(text, "file")
        assert {(port, one["outcome"], one["protocol"]) for (_, _, port), one in found.rows.items()} == {
            (22, "open", "ssh"), (443, "open", "http")}  # fmt: skip


NONE = [
    "{}",
    "[1]",
    '{"observations": [{}]}',
    '{"observations": 1}',
    "<a/>",
    "<nmaprun>",
    "x",
    '<!DOCTYPE nmaprun [<!ENTITY a "b">]><nmaprun>&a;</nmaprun>',
    "port,transport\n1,tcp",
    '{"observations": [{"port": 99999, "transport": "tcp", "address": "a", "outcome": "open"}]}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", NONE, ids=range(len(NONE)))
def test_what_is_no_result_is_told(text: str) -> None:
    with pytest.raises(ParseError):
        parse_results(text, "file")


@given(st.text(max_size=200))
def test_any_text_is_a_result_or_a_parse_error(text: str) -> None:
    for start in ("", "<nmaprun>", '{"observations": [', "port,transport,address,outcome\n"):
        try:
            parse_results(start + text, "file")
        except ParseError:
            continue


def test_comparing_tells_what_opened_closed_and_changed() -> None:
    newer = row(seen(22, SSH.replace(version="9.9")))
    before = parse_results(as_json(*ROWS, row(seen(80))), "a")
    after = parse_results(as_json(newer, row(seen(90))), "b")
    told = [(one.change, one.port, one.field, one.before, one.after) for one in compare(before, after)]
    assert told == [("changed", 22, "version", "9.2p1", "9.9"), ("vanished", 80, "outcome", "open", ""),
                    ("appeared", 90, "", "", "")]  # fmt: skip
    assert compare(before, before) == []


def test_a_port_that_only_one_of_them_asked_is_no_news() -> None:
    """443 is beyond 1-100, which the summary says was asked."""
    without = parse_results(as_json(ROWS[0]), "b")
    assert compare(parse_results(as_json(*ROWS), "a"), without) == []


def test_what_was_not_identified_in_one_of_them_did_not_change() -> None:
    assert compare(parse_results(as_json(ROWS[0]), "a"), parse_results(as_json(row(seen(22))), "b")) == []


def shard(index: int, count: int, *rows: dict[str, object], **more: object) -> tuple[str, object]:
    text = as_json(*rows, asked={**QUESTION, "shard": f"{index}/{count}"}, **more)
    return f"{index}.json", parse_results(text, "s")


def test_shards_are_merged_into_one_document() -> None:
    merged = merge([shard(1, 2, ROWS[0]), shard(2, 2, ROWS[1])])  # type: ignore[list-item]
    assert merged.notes == ()
    assert [one["port"] for one in merged.rows] == [22, 443]
    assert merged.summary["outcomes"]["timeout"] == 18
    assert merged.summary["account"]["sent"] == 38
    assert merged.summary["hosts"] == {"asked": 1, "answered": 1, "open": 1}
    assert merged.summary["ended"] == "complete"
    assert merged.summary["policy"]["allowed"] is True
    again = parse_results(json.dumps({"observations": merged.rows, "summary": merged.summary}), "m")
    assert len(again.rows) == 2


MISFITS = [
    ([(1, 3), (3, 3)], {}, "missing: 2/3"),
    ([(1, 2), (1, 2), (2, 2)], {}, "more than once: 1/2"),
    ([(1, 2), (2, 3)], {}, "cut differently"),
    ([(1, 1)], {"ended": "interrupted"}, "not whole: interrupted"),
]


@pytest.mark.parametrize(("parts", "more", "told"), MISFITS)
def test_shards_that_do_not_fit_are_told(parts: list[tuple[int, int]], more: dict[str, object], told: str) -> None:
    merged = merge([shard(index, count, **more) for index, count in parts])  # type: ignore[misc]
    assert told in "; ".join(merged.notes)
    assert told in "; ".join(merged.summary["notes"])


def test_overlapping_shards_and_those_of_other_scans_are_told() -> None:
    both = merge([shard(1, 2, ROWS[0]), shard(2, 2, ROWS[0])])  # type: ignore[list-item]
    assert "1 ports are in more than one file" in "; ".join(both.notes)
    other = parse_results(as_json(asked={**QUESTION, "ports": "9", "shard": "2/2"}), "o")
    assert "different scans" in "; ".join(merge([shard(1, 2), ("o", other)]).notes)  # type: ignore[list-item]
    bare = merge([("n", parse_results(json.dumps(ROWS[0]), "n")), shard(1, 1)])  # type: ignore[list-item]
    assert "n has no summary" in "; ".join(bare.notes)
    assert "missing" not in "; ".join(bare.notes)


def test_a_line_that_was_cut_off_is_named() -> None:
    whole = "".join(json.dumps(one) + "\n" for one in ROWS)
    assert len(parse_results(whole, "a").rows) == 2
    odd = json.dumps({**ROWS[0], "facts": {"title": "\u2028\u2029\x85"}}, ensure_ascii=False)  # no ends of lines here
    assert len(parse_results(f"{odd}\n{json.dumps(ROWS[1])}\n", "a").rows) == 2
    with pytest.raises(ParseError, match="line 2 is cut off"):
        parse_results(whole[:-9], "a")


def test_where_files_overlap_the_row_that_tells_more_stays() -> None:
    silent, refused = ({**row(seen(22)), "outcome": outcome} for outcome in ("timeout", "refused"))
    known, bare = row(seen(22, SSH)), row(seen(22))
    for less, more in ((silent, refused), (refused, bare), (bare, known), (silent, known)):
        for order in ((less, more), (more, less)):
            merged = merge([shard(1, 2, order[0]), shard(2, 2, order[1])])  # type: ignore[list-item]
            assert merged.rows == (more,)


def test_what_was_not_asked_is_not_called_gone_or_new() -> None:
    """22 is open before; then other hosts were asked, another shard, or the scan was cut short."""
    before = parse_results(as_json(ROWS[0]), "a")
    address = ROWS[0]["address"]
    other = parse_results(as_json(asked={**QUESTION, "targets": "192.0.2.1-192.0.2.9"}), "b")
    cut = parse_results(as_json(asked={**QUESTION, "targets": address}, ended="interrupted"), "b")
    parts = [parse_results(as_json(asked={**QUESTION, "targets": address, "shard": f"{n}/2"}), "b") for n in (1, 2)]
    whole = parse_results(as_json(asked={**QUESTION, "targets": f"10.0.0.2 {address}"}), "b")
    assert [len(compare(before, one)) for one in (other, cut, whole)] == [0, 0, 1]
    assert [len(compare(one, before)) for one in (other, cut, whole)] == [0, 0, 1]
    assert sorted(len(compare(before, one)) for one in parts) == [0, 1]
    told = {**ROWS[0], "outcome": "refused"}
    assert len(compare(before, parse_results(as_json(told, ended="interrupted"), "b"))) == 1


def test_a_flat_row_holds_what_a_table_can() -> None:
    found = flat(row(seen(443, TLS)))
    assert found["facts"] == "version=1.3; title=hello; version 2=x"
    assert not any(isinstance(value, dict) for value in found.values())
