"""The atlas page reads scans by itself, as the command does, and sends them nowhere, whatever is in them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from atlas_map import Atlas
from scanned import BAD_SCANS, SCANS

from portlore.atlas.layers import LAYERS

pytestmark = pytest.mark.browser

OPENED, CLOSED = (code.light for code in LAYERS["scan"].codes)
UNREAD = "Nothing in this file could be read as a scan."
MEGA = 1 << 20
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
HOSTILE = {  # what a file begins with, what it goes on with, how often; what is said of it
    "larger than any": (("", "1\n", 9 * MEGA), UNREAD),
    "prose": (("", "x", 15 * MEGA), UNREAD),
    "numbers": (("", "22 ", 5 * MEGA), "Open ports read: 1"),
    "ranges": (("", "0-65535 ", MEGA), "Open ports read: 65,536"),
    "lines": (("", "\n", 15 * MEGA), UNREAD),
    "open tags": (("<nmaprun>", "<a>", 4 * MEGA), UNREAD),
    "brackets": (("", "[", 15 * MEGA), UNREAD),
    "an open quote": (('port,transport,outcome\n"', ",", 15 * MEGA), UNREAD),
    "rows": (("", '{"port": 1, "transport": "tcp", "outcome": "open"}\n', 300 << 10), "Open ports read: 1"),
    "laughs": ((f"<!DOCTYPE nmaprun [{LAUGHS}]><nmaprun>&l11;</nmaprun>", "", 0), UNREAD),
}


def test_the_browser_reads_every_form_of_scan_as_the_command_does(atlas: Atlas) -> None:
    seen = atlas.open()
    seen.page.wait_for_load_state("networkidle")
    requests: list[str] = []
    seen.page.on("request", lambda one: requests.append(one.url))
    for name, (text, ports) in SCANS.items():
        assert seen.upload(name, text) == f"Open ports read: {len(ports)}", name
        assert seen.open_ports() == ports, name
    assert [url for url in requests if not url.endswith("/icon.svg")] == []  # the browser's own, whenever it likes
    seen.upload("some.txt", "1-3000")
    assert seen.press("Control+Home", "ArrowRight") == "1 · open · tcpmux"
    assert seen.colours(1500, 60000) == [OPENED, CLOSED]
    assert seen.press("Control+End") == "65535 · not seen open"


def test_a_single_open_port_is_a_dot_larger_than_its_cell_on_a_narrow_screen(atlas: Atlas) -> None:
    seen = atlas.open(viewport={"width": 320, "height": 640})
    seen.upload("one.txt", "50000")
    assert seen.colours(49999, 50000, 50001) == [OPENED] * 3
    assert seen.colours(49990, 50010) == [CLOSED] * 2


def test_the_browser_refuses_what_the_command_refuses(atlas: Atlas) -> None:
    seen = atlas.open()
    seen.upload("good.txt", "22")
    for name, text in BAD_SCANS.items():
        assert seen.upload(name, text) == UNREAD, name
        assert seen.open_ports() == {22}, name  # the one before stays


def test_hostile_files_are_answered_and_the_page_lives_on(atlas: Atlas) -> None:
    seen = atlas.open()
    for name, (file, answer) in HOSTILE.items():
        assert seen.upload_much(*file) == answer, name
    assert seen.upload("good.txt", "22,80") == "Open ports read: 2"
    assert seen.open_ports() == {22, 80}


def test_nothing_of_a_file_or_an_address_becomes_part_of_the_page(atlas: Atlas) -> None:
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    seen = atlas.open(f"/en/atlas#layer={attack}&port={attack}&zoom=1e999&x=NaN&y=-1e9&year={attack}&constructor=1")
    assert seen.said == "0 · reserved"
    xhtml = 'xmlns:h="http://www.w3.org/1999/xhtml"'
    for text, answer in (
        (attack, UNREAD),
        (f'[{{"port": {json.dumps(attack)}, "transport": "tcp", "outcome": "open"}}]', UNREAD),
        (f"<nmaprun {xhtml}><h:script>document.title='owned'</h:script></nmaprun>", UNREAD),
        (f"<nmaprun {xhtml}><h:img src='x' onerror='document.title=1'/></nmaprun>", UNREAD),
    ):
        assert seen.upload(attack, text) == answer
    assert seen.page.title().startswith("Atlas")
    assert seen.page.locator("main img, main script").count() == 0
