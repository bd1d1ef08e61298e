"""The atlas: where ports lie, what each layer says of each, and what the site holds of it too."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import portlore
from portlore.atlas.layers import LAYERS, PAINTED, TRANSPORTS, by_listeners, by_status
from portlore.atlas.layout import PORTS, cell, port_at, runs, shrunk
from portlore.atlas.years import by_year, days_of
from portlore.model import ClaimKind, PortRange, Status, Transport
from portlore.seen import Exposure, Family, Listener, Socket

BOOK = portlore.load()
PICTURES = {name: paint(BOOK) for name, paint in PAINTED.items()}


# --- where ports lie


def test_every_port_has_a_cell_of_its_own_row_by_row() -> None:
    assert [cell(port) for port in (0, 255, 256, 703, 65535)] == [(0, 0), (255, 0), (0, 1), (191, 2), (255, 255)]
    assert [port_at(*cell(port)) for port in range(PORTS)] == list(range(PORTS))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_runs_hold_every_cell_once_and_neighbours_differ(picture: list[int]) -> None:
    found = list(runs(picture))
    assert [code for first, last, code in found for _ in range(first, last + 1)] == picture
    assert all(a[2] != b[2] for a, b in itertools.pairwise(found))


def test_a_smaller_picture_shows_what_most_cells_are_and_what_is_loud() -> None:
    picture = bytearray(PORTS)
    picture[0], picture[1], picture[256] = 1, 1, 1  # three of the first four
    picture[2], picture[3] = 1, 1  # two of the next four: a tie goes to the code that the legend has first
    picture[65535] = 2
    small = shrunk(bytes(picture), 2, 2)
    assert (len(small), {len(row) for row in small}) == (128, {128})
    assert (small[0][0], small[0][1], small[127][127]) == (1, 0, 0)
    assert shrunk(bytes(picture), 2, 2, loud=(2,))[127][127] == 2
    assert shrunk(bytes(picture), 32, 64, loud=(2,))[3][7] == 2


# --- what the layers say


def test_the_status_of_every_port_is_what_looking_it_up_says() -> None:
    """One word for several transports: whoever is given the port on any of them holds it."""
    codes = [code.code for code in LAYERS["status"].codes]
    for port in range(PORTS):
        said = {str(facts.status) for facts in BOOK.port(port)}
        strong = ("assigned", "reserved", "de-registered", "unassigned", "no-entry", "dynamic")
        assert codes[PICTURES["status"][port]] == next(one for one in strong if one in said), port


def test_transports_are_those_that_a_port_is_assigned_on() -> None:
    words = {(True, True): "both", (True, False): "tcp", (False, True): "udp", (False, False): "neither"}
    codes = [code.code for code in LAYERS["transports"].codes]
    for port in range(PORTS):
        tcp, udp = (BOOK.lookup(port, on).status is Status.ASSIGNED for on in ("tcp", "udp"))
        assert codes[PICTURES["transports"][port]] == words[tcp, udp], port


CLAIMED = [  # read in lore/claims
    (703, "vendor-documented"),  # FortiGate HA, confirmed, before the story of Modbus
    (3127, "malware"),  # Mydoom's ports
    (40000, "vendor-documented"),  # nothing but Linux's ephemeral ports
    (20001, "none"),
]


def test_claims_are_painted_by_the_narrowest_one() -> None:
    codes = [code.code for code in LAYERS["claims"].codes]
    assert [(port, codes[PICTURES["claims"][port]]) for port, _ in CLAIMED] == CLAIMED
    for port in range(0, PORTS, 7):
        claims = {claim for facts in BOOK.port(port) for claim in facts.claims}
        wide = {claim: max(len(PortRange.parse(part.strip())) for part in claim.ports.split(",")) for claim in claims}
        narrow = {str(claim.kind) for claim in claims if wide[claim] == min(wide.values())}
        assert codes[PICTURES["claims"][port]] in (narrow or {"none"}), port


def test_the_years_are_the_last_snapshots_of_each() -> None:
    days = days_of(BOOK.registry)
    assert days[0] == "2005-12-22"
    assert days[-1] == BOOK.snapshot
    assert [day[:4] for day in days] == sorted({date[:4] for date in BOOK.registry.dates})
    assert all(date <= day for day in days for date in BOOK.registry.dates if date[:4] == day[:4])


def test_every_year_is_what_the_registry_as_of_that_day_says() -> None:
    told = by_year(BOOK.registry)
    assert [day for day, _ in told] == days_of(BOOK.registry)
    for day, picture in told[:3] + told[4::4] + told[-1:]:
        assert picture == by_status(portlore.load(as_of=day)), day


def test_a_book_of_another_day_has_the_years_up_to_it() -> None:
    past = portlore.load(as_of="2016-06-01").registry
    assert by_year(past) == by_year(BOOK.registry)[:3]


def listener(port: int, exposure: Exposure, transport: str = "tcp", state: str = "listen") -> Listener:
    socket = Socket(transport, Family.IPV4, "192.0.2.1", port, exposure, "", state, "", 0, 0, 1, 0)
    return Listener(socket, (), (), None, None, "")


def test_listeners_are_exposed_where_any_socket_is_and_clients_count_for_nothing() -> None:
    layer = LAYERS["listeners"]
    picture = by_listeners(
        [
            listener(22, Exposure.ALL),
            listener(22, Exposure.LOOPBACK),
            listener(53, Exposure.LOOPBACK, "udp", "unconnected"),
            listener(80, Exposure.LOOPBACK),
            listener(80, Exposure.PRIVATE),
            listener(6, Exposure.ALL, "raw", "unconnected"),
            listener(40000, Exposure.ALL, "tcp", "established"),
        ]
    )
    seen = {port: layer.codes[code].code for port, code in enumerate(picture) if layer.codes[code].code != "closed"}
    assert seen == {22: "exposed", 53: "local", 80: "exposed"}


# --- what others hold too


def test_the_layers_know_every_status_and_every_kind_of_claim() -> None:
    assert {code.code for code in LAYERS["status"].codes} == set(map(str, Status))
    assert {code.code for code in LAYERS["claims"].codes} == {*map(str, ClaimKind), "none"}
    assert LAYERS["history"].codes == LAYERS["status"].codes
    assert set(map(str, Transport)) < set(TRANSPORTS)


def test_the_site_has_the_same_layers_codes_and_words() -> None:
    pytest.importorskip("babel")
    from portlore.web.pages.fixed import atlas_page
    from portlore.web.words import BY_CODE, Words

    page = atlas_page(Words(BY_CODE["en"], {}), listeners=True)
    told = {layer.code: (layer.name, [*layer.legend]) for layer in page.layers}
    assert told == {one.code: (one.name, [(c.code, c.word) for c in one.codes]) for one in LAYERS.values()}


def test_the_site_explains_every_status_once_and_nothing_else() -> None:
    pytest.importorskip("babel")
    from portlore.web.pages.fixed import atlas_page
    from portlore.web.words import BY_CODE, Words

    for layer in atlas_page(Words(BY_CODE["en"], {}), listeners=True).layers:
        explained = [code for code, _ in layer.meanings]
        assert explained == ([code for code, _ in layer.legend] if layer.code in ("status", "history") else [])
        for code, sentence in layer.meanings:  # which is known by its beginning: it is the word of the legend
            assert sentence.lower().startswith(dict(layer.legend)[code]), code


def test_the_style_sheet_has_the_same_colours() -> None:
    pytest.importorskip("babel")
    import portlore.web.rendering

    text = (Path(portlore.web.rendering.__file__).parent / "static/style.css").read_text("utf-8")
    rule = re.compile(r"^((?:\.cell\.[\w-]+(?:, )?)+) \{ background: light-dark\((#\w+), (#\w+)\); \}$", re.MULTILINE)
    rules = rule.findall(text)
    found = {name: (light, dark) for names, light, dark in rules for name in names.split(", ")}
    assert found == {f".cell.{one.code}-{c.code}": (c.light, c.dark) for one in LAYERS.values() for c in one.codes}


def test_the_atlas_file_of_the_site_says_the_same() -> None:
    pytest.importorskip("babel")
    from portlore.web.maps import map_files

    kind, body = map_files(BOOK)["atlas.json"]
    assert kind == "application/json"
    assert len(body) < 250_000
    told = json.loads(body)
    assert told["snapshot"] == BOOK.snapshot
    for name, layer in LAYERS.items():
        assert told["layers"][name]["codes"] == [one.code for one in layer.codes]
    for name, picture in PICTURES.items():
        assert unpacked(told["layers"][name]["runs"], b"") == picture
    before = b""
    for year, (day, picture) in zip(told["history"], by_year(BOOK.registry), strict=True):
        assert year["date"] == day
        before = unpacked(year["runs"], before)
        assert before == picture
    registered = [next(filter(None, (BOOK.name(port, on) for on in Transport)), "") for port in range(PORTS)]
    assert named(told["names"]) == registered
    claimed = named(told["claims"])
    assert len(claimed) == PORTS
    codes = [one.code for one in LAYERS["claims"].codes]
    for port in range(0, PORTS, 5):
        kinds = {claim.name: claim.kind for facts in BOOK.port(port) for claim in facts.claims}
        assert kinds.get(claimed[port], "none") == codes[PICTURES["claims"][port]], port


def named(text: str) -> list[str]:
    names: list[str] = []
    for word in text.split("|"):
        names += [names[-1]] * int(word[1:]) if word[0] == "=" else [""] * int(word[1:]) if word[0] == "+" else [word]
    return names


@given(st.lists(st.sampled_from(["", "", "ssh", "=3", "+", "a|b", "x y"]), min_size=1))
def test_names_cannot_be_taken_for_numbers_of_ports(names: list[str]) -> None:
    pytest.importorskip("babel")
    from portlore.web.maps import names_text

    plain = {"=3": "3", "+": "", "a|b": "a/b"}
    wanted = [plain.get(name, name) for name in names]
    assert named(names_text(names)) == wanted


def unpacked(text: str, before: bytes) -> bytes:
    found = bytearray()
    for letter, length in re.findall(r"([A-Z_])([0-9a-z]*)", text):
        many = int(length, 36) if length else 1
        found += before[len(found) : len(found) + many] if letter == "_" else bytes([ord(letter) - 65]) * many
    return bytes(found)
