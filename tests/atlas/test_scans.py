"""Scans that others wrote, read for the atlas: every form, and whatever is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))

from scanned import BAD_SCANS, SCANS

from portlore.atlas.layers import LAYERS, by_scan
from portlore.atlas.layout import PORTS
from portlore.atlas.scans import open_ports
from portlore.errors import ParseError


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_is_read_whoever_wrote_it(name: str) -> None:
    text, ports = SCANS[name]
    assert open_ports(text, name) == ports
    assert open_ports("\ufeff\r\n" + text, name) == ports


@pytest.mark.parametrize("name", BAD_SCANS)
def test_what_is_no_scan_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ParseError) as refused:
        open_ports(BAD_SCANS[name], name)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 240


@given(st.text() | st.text(alphabet='[]{}",:<>/=!# \n0123456789portensca', max_size=200))
def test_noise_gives_ports_or_our_error_and_nothing_else(text: str) -> None:
    try:
        assert all(0 <= port <= 65535 for port in open_ports(text, "noise"))
    except ParseError:
        pass


def test_nesting_however_deep_and_ranges_however_many_come_to_an_end() -> None:
    assert open_ports(f"<nmaprun>{'<a>' * 50_000}{'</a>' * 50_000}</nmaprun>", "deep") == frozenset()
    assert open_ports("0-65535 " * 500_000, "ranges") == frozenset(range(PORTS))


def test_the_ports_of_a_scan_are_open_and_no_others() -> None:
    picture = by_scan({22, 65535})
    assert [port for port, code in enumerate(picture) if LAYERS["scan"].codes[code].code == "open"] == [22, 65535]
