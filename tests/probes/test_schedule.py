"""Which probes are asked, in which order, and what their answers come to: with dialogues that never see a socket."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))

from portlore.observed import Confidence, Identification
from portlore.probes import PROBES, PROTOCOLS, RECOGNISERS
from portlore.probes.dialogue import MOST_STEPS, Asked, Probe, Protocol, Recogniser
from portlore.scan.schedule import CLOSED, CUT, SILENT, Course, Heard, Stage, Table, expected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.probes.dialogue import Dialogue
    from portlore.scan.schedule import Ask

    Serve = Callable[[bytes], bytes]  # what came on a connection, at first nothing, to what is answered


def asking(name: str, question: bytes, answer: bytes, sure: Confidence = Confidence.CERTAIN) -> Probe:
    """A probe that asks and knows one answer."""

    def dialogue(_: Asked) -> Dialogue:
        heard = yield question
        return Identification(name, confidence=sure) if heard.startswith(answer) else None

    return Probe(name, name, "tcp", dialogue)


def listening(name: str, greeting: bytes, reply: bytes = b"") -> Probe:
    """A probe that listens, and perhaps replies."""

    def dialogue(_: Asked) -> Dialogue:
        heard = yield b""
        if not heard.startswith(greeting):
            return None
        if reply:
            heard = yield reply
            return Identification(name) if heard else None
        return Identification(name)

    return Probe(name, name, "tcp", dialogue, banner=True)


HTTP = asking("http", b"GET", b"HTTP")
TLS = asking("tls", b"HELLO", b"TLS")
DB = asking("db", b"QUERY", b"ROWS").replace(ports=(703,))
ODD = asking("odd", b"ODD?", b"ODD!").replace(rank=70)
API = asking("api", b"API", b"JSON")
MAIL = listening("mail", b"220", b"EHLO")
FILES = listening("files", b"220")
PLANT = asking("plant", b"READ", b"DATA").replace(gentle=True)
ROUGH = asking("rough", b"ROUGH", b"AAH").replace(gentle=False)
ALL = (HTTP, TLS, DB, ODD, API, MAIL, FILES, PLANT, ROUGH)


def table(*probes: Probe, recognisers: tuple[Recogniser, ...] = ()) -> Table:
    rows = {one.protocol: Protocol(one.protocol, one.protocol, (one.protocol,)) for one in probes}
    if "api" in rows:
        rows["api"] = rows["api"].replace(over="http")
    return Table(probes, rows, recognisers)


def drive(course: Course, serve: Serve, stages: list[Stage] | None = None, *, alone: bool = False) -> Identification:
    """Hold every dialogue with one server. ``alone``: it answers nothing where a stage asks side by side."""
    run = course.run()
    answer: tuple[Heard, ...] | None = None
    try:
        while True:
            stage = next(run) if answer is None else run.send(answer)
            if stages is not None:
                stages.append(stage)
            answer = tuple(talk(ask, serve if not (alone and stage.together) else lambda _: b"") for ask in stage.asks)
    except StopIteration:
        return course.conclude()


def talk(ask: Ask, serve: Serve) -> Heard:
    dialogue, sent, received = ask.dialogue(), b"", b""
    try:
        said = next(dialogue)
        for _ in range(MOST_STEPS):
            heard = serve(said)
            sent, received = (sent, received) if received else (said, heard)
            said = dialogue.send(heard)
    except StopIteration as end:
        return Heard(ask, end.value, sent, received, "" if received else SILENT)
    return Heard(ask, None, sent, received, "" if received else SILENT)


def course(port: int = 4, *names: str, probes: tuple[Probe, ...] = ALL, gentle: bool = False, **more: bool) -> Course:
    where = expected(Asked("host", port), names, (), gentle=gentle, local=more.get("local", True))
    return Course(where, table(*probes))


def names_of(stages: list[Stage]) -> list[list[str]]:
    return [[ask.probe for ask in stage.asks] for stage in stages]


def answering(question: bytes, answer: bytes, greeting: bytes = b"") -> Serve:
    return lambda said: answer if said == question else b"" if said else greeting


def test_the_likely_probe_of_a_port_is_asked_on_the_first_connection_and_nothing_else() -> None:
    stages: list[Stage] = []
    found = drive(course(703), answering(b"QUERY", b"ROWS"), stages)
    assert found.protocol == "db"
    assert names_of(stages) == [["db"]]


def test_a_registered_name_makes_a_probe_likely() -> None:
    stages: list[Stage] = []
    assert drive(course(4, "ODD"), answering(b"ODD?", b"ODD!"), stages).protocol == "odd"
    assert names_of(stages) == [["odd"]]


def test_a_greeting_is_waited_for_where_one_is_expected() -> None:
    waits = [next(course(4, name).run()).asks[0].first for name in ("mail", "no such", "odd")]
    assert waits == sorted(waits, reverse=True)
    assert len(set(waits)) == 3
    assert next(course(703, "mail").run()).asks[0].first == waits[1]  # both kinds are likely


def test_on_an_unknown_port_http_comes_first_then_tls_then_the_rest_side_by_side() -> None:
    stages: list[Stage] = []
    found = drive(course(), answering(b"ODD?", b"ODD!"), stages)
    assert found.protocol == "odd"
    first, second, rest = names_of(stages)[:3]
    assert (first, second) == (["http"], ["tls"])
    assert {"db", "odd", "plant", "rough", "listen"} <= set(rest)
    assert [stage.together for stage in stages[:3]] == [False, False, True]


def test_whoever_speaks_first_is_held_against_all_that_listen() -> None:
    found = drive(course(), answering(b"-", b"", greeting=b"220 ready"))  # answers EHLO with nothing: not mail
    assert found.protocol == "files"
    found = drive(course(), answering(b"EHLO", b"250", greeting=b"220 ready"))
    assert found.protocol == "mail"


def test_a_banner_that_nobody_knows_is_shown_and_only_listeners_are_asked() -> None:
    stages: list[Stage] = []
    found = drive(course(), answering(b"-", b"", greeting=b"Welcome \x1b[31m"), stages)
    assert found.protocol == ""
    assert found.evidence[0].received == b"Welcome \x1b[31m"
    assert ("heard", "text banner") in found.facts
    assert not {"http", "tls", "rough"} & {ask.probe for stage in stages[1:] for ask in stage.asks}


def test_silence_tells_what_was_asked() -> None:
    found = drive(course(), lambda _: b"")
    assert found.confidence is Confidence.GUESS
    told = dict(found.facts)
    assert told["heard"] == "nothing"
    assert set(told["asked"].split()) == {probe.name for probe in ALL} - {"api"}  # which is spoken over HTTP


def test_a_server_of_one_client_at_a_time_gets_its_turn() -> None:
    stages: list[Stage] = []
    found = drive(course(), answering(b"ODD?", b"ODD!"), stages, alone=True)
    assert found.protocol == "odd"
    assert stages[-1].together is False


def test_what_hung_up_while_others_were_open_is_asked_again_alone() -> None:
    one = course()
    run = one.run()
    stage = next(run)
    while not stage.together:
        stage = run.send(tuple(Heard(ask, None, ended=SILENT) for ask in stage.asks))
    again = run.send(tuple(Heard(ask, None, ended=CLOSED) for ask in stage.asks))
    assert not again.together
    assert {ask.probe for ask in again.asks} == {ask.probe for ask in stage.asks} - {"listen"}


def test_gentle_leaves_out_what_is_not_and_asks_one_at_a_time() -> None:
    stages: list[Stage] = []
    found = drive(course(gentle=True), lambda _: b"", stages)
    assert not any(stage.together for stage in stages)
    assert "rough" not in dict(found.facts)["asked"]


def test_http_leads_on_to_what_is_spoken_over_it_unless_it_shows_a_page() -> None:
    def serve(said: bytes) -> bytes:
        return {b"GET": b"HTTP", b"API": b"JSON"}.get(said, b"")

    assert drive(course(), serve).protocol == "api"
    assert drive(course(), answering(b"GET", b"HTTP")).protocol == "http"

    def page(_: Asked) -> Dialogue:
        heard = yield b"GET"
        return Identification("http", facts=(("title", "Hello"),)) if heard == b"HTTP" else None

    stages: list[Stage] = []
    probes = (HTTP.replace(dialogue=page), TLS, API)
    assert drive(course(probes=probes), serve, stages).protocol == "http"
    assert names_of(stages) == [["http"]]


def test_what_was_cut_short_by_http_is_asked_for_all_the_same() -> None:
    one = course(4, "api", "http", probes=(HTTP, TLS, API, ODD))
    run = one.run()
    stage = next(run)
    stage = run.send(tuple(Heard(ask, None, ended=SILENT) for ask in stage.asks))
    assert [ask.probe for ask in stage.asks] == ["api"]
    late = Identification("http")
    assert [ask.probe for ask in run.send((Heard(stage.asks[0], late, ended=CUT),)).asks] == ["api"]


def test_a_server_that_expects_tls_is_asked_for_it_and_believed_when_there_is_none() -> None:
    def confused(_: Asked) -> Dialogue:
        heard = yield b"GET"
        return Identification("http", "nginx", facts=(("expects", "TLS"),)) if heard == b"HTTP" else None

    stages: list[Stage] = []
    probes = (HTTP.replace(dialogue=confused), TLS, ODD)
    assert drive(course(probes=probes), answering(b"GET", b"HTTP"), stages).protocol == "http"
    assert names_of(stages)[:2] == [["http"], ["tls"]]
    assert ["odd"] not in names_of(stages)

    def serve(said: bytes) -> bytes:
        return {b"GET": b"HTTP", b"HELLO": b"TLS"}.get(said, b"")

    assert drive(course(probes=probes), serve).protocol == "tls"


def test_bytes_that_another_protocol_recognises_make_it_wanted() -> None:
    def server(data: bytes) -> Identification | None:
        return Identification("odd") if data.startswith(b"ODD") else None

    def serve(said: bytes) -> bytes:
        return b"ODD!" if said in (b"GET", b"ODD?") else b""

    stages: list[Stage] = []
    probes = table(HTTP, TLS, ODD, recognisers=(Recogniser("odd", "tcp", server),))
    where = expected(Asked("host", 4), (), (), gentle=False, local=True)
    found = drive(Course(where, probes), serve, stages)
    assert (found.protocol, found.confidence) == ("odd", Confidence.CERTAIN)
    assert names_of(stages) == [["http"], ["odd"]]


def test_an_unsure_answer_does_not_end_the_search_and_is_kept() -> None:
    unsure = asking("guess", b"G?", b"yes", Confidence.GUESS)

    def serve(said: bytes) -> bytes:
        return {b"G?": b"yes", b"ODD?": b"ODD!"}.get(said, b"")

    assert drive(course(probes=(HTTP, TLS, unsure, ODD)), serve).protocol == "odd"
    assert drive(course(probes=(HTTP, TLS, unsure)), serve).protocol == "guess"


@pytest.mark.parametrize("port", [9100, 102, 2404])
def test_devices_that_bear_nothing_are_sent_nothing(port: int) -> None:
    sent: list[bytes] = []

    def serve(said: bytes) -> bytes:
        sent.append(said)
        return b""

    found = drive(course(port, local=False), serve)
    assert set(sent) == {b""}
    assert "left alone" in dict(found.facts)
    assert drive(course(port, local=True), answering(b"GET", b"HTTP")).protocol == "http"  # no such device is here


@pytest.mark.parametrize(("port", "transport"), [(514, "udp"), (514, "tcp"), (601, "tcp"), (6514, "tcp")])
@pytest.mark.parametrize("local", [False, True])
def test_nothing_is_written_to_a_log(port: int, transport: str, local: bool) -> None:
    sent: list[bytes] = []

    def serve(said: bytes) -> bytes:
        sent.append(said)
        return b""

    asked = Asked("host", port, transport)
    drive(Course(expected(asked, (), (), gentle=False, local=local), Table(PROBES, PROTOCOLS, RECOGNISERS)), serve)
    assert all(not said or (port == 6514 and said[:1] == b"\x16") for said in sent)  # 0x16: a TLS handshake


def test_what_is_known_is_known_at_any_time() -> None:
    one = course()
    assert one.conclude().protocol == ""
    run = one.run()
    stage = next(run)
    run.send((Heard(stage.asks[0], Identification("http", facts=(("expects", "TLS"),)), b"GET", b"HTTP"),))
    assert one.conclude().protocol == "http"


@given(st.integers(1, 65535), st.sampled_from(["tcp", "udp"]), st.booleans(), st.binary(max_size=60))
def test_no_answer_breaks_the_real_table(port: int, transport: str, gentle: bool, answer: bytes) -> None:
    where = expected(Asked("host", port, transport), (), (), gentle=gentle, local=False)
    stages: list[Stage] = []
    drive(Course(where, Table(PROBES, PROTOCOLS, RECOGNISERS)), lambda _: answer, stages)
    assert len(stages) < 20
    names = [ask.probe for stage in stages for ask in stage.asks]
    assert max(map(names.count, names), default=0) <= 8


def test_a_probe_that_raises_is_a_fact_and_the_others_are_asked_all_the_same() -> None:
    def broken(_: Asked) -> Dialogue:
        heard = yield b""
        raise ZeroDivisionError(heard)

    def nonsense(_: bytes) -> Identification | None:
        raise KeyError("nonsense")

    faulty = Probe("faulty", "faulty", "tcp", broken, banner=True, rank=1)
    recogniser = Recogniser("faulty", "tcp", nonsense)
    for greeting, question in ((b"220", b"EHLO"), (b"", b"ODD?")):
        course = Course(
            expected(Asked("host", 4), (), (), gentle=False, local=True),
            table(faulty, HTTP, TLS, ODD, MAIL, recognisers=(recogniser,)),
        )
        found = drive(course, lambda said, q=question, g=greeting: b"ODD!" if said == q else b"?" if said else g)  # type: ignore[misc]
        assert found.protocol == ("mail" if greeting else "odd")
        assert ("failed", "faulty: ZeroDivisionError" if greeting else "faulty: KeyError") in found.facts


def test_who_hangs_up_before_he_is_asked_anything_is_not_asked_everything() -> None:
    def hung_up(ask: Ask) -> Heard:
        return Heard(ask, None, b"" if ask.probe == "http" else b"HELLO", b"", CLOSED)

    course = Course(expected(Asked("host", 4), (), (), gentle=False, local=True), table(*ALL))
    run, asked = course.run(), list[str]()
    answer: tuple[Heard, ...] | None = None
    with suppress(StopIteration):
        while True:
            stage = next(run) if answer is None else run.send(answer)
            asked += [ask.probe for ask in stage.asks]
            answer = tuple(map(hung_up, stage.asks))
    assert asked == ["http", "tls"]
    assert dict(course.conclude().facts)["left alone"].startswith("It hangs up")


@pytest.mark.parametrize("probe", [one for one in PROBES if not one.banner], ids=lambda one: one.name)
def test_who_sends_back_what_he_is_sent_is_taken_for_nobody(probe: Probe) -> None:
    port = next(iter(probe.ports), 4)
    course = Course(
        expected(
            Asked("host", port, probe.transport), PROTOCOLS[probe.protocol].services, (), gentle=False, local=True
        ),
        Table((probe.replace(everywhere=True),), PROTOCOLS, RECOGNISERS),
    )
    found = drive(course, lambda said: said)
    assert found.protocol == ""
    assert "left alone" in dict(found.facts)
