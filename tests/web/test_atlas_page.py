"""The atlas page in a real Chromium: what is seen, said and linked; keyboard, pointer, years, looks."""

from __future__ import annotations

import re
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from atlas_map import DRAWN, Atlas, until

import portlore
from portlore.atlas.layers import LAYERS, PAINTED
from portlore.atlas.years import days_of

pytestmark = pytest.mark.browser

STILL = [("light", "atlas.png"), ("dark", "atlas-dark.png")]
DAYS = days_of(portlore.load().registry)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_shows_the_colours_of_its_legend(atlas: Atlas, scheme: str) -> None:
    """Of each code one port with neighbours of the same, which the enlarged picture cannot mix."""
    seen = atlas.open("/en/atlas#port=65535", color_scheme=scheme)
    for layer, paint in PAINTED.items():
        seen.page.select_option("#atlas-layer", layer)
        picture = paint(portlore.load())
        ports: dict[int, int] = {}
        for port in range(257, 65536 - 257):
            around = b"".join(picture[port + row - 1 : port + row + 2] for row in (-256, 0, 256))
            if around.count(around[0]) == len(around):
                ports.setdefault(around[0], port)
        assert len(ports) >= 2
        wanted = [getattr(LAYERS[layer].codes[place], scheme) for place in ports]
        assert seen.colours(*ports.values()) == wanted, layer


def test_the_map_turns_dark_with_the_page(atlas: Atlas) -> None:
    seen = atlas.open("/en/atlas#port=65535", color_scheme="light")
    dynamic = LAYERS["status"].codes[-1]
    assert seen.colours(60000) == [dynamic.light]
    seen.page.emulate_media(color_scheme="dark")
    assert seen.colours(60000) == [dynamic.dark]


# --- on paper: always light


def printed(page: Any) -> set[str]:
    """The colours of the pictures of a page as Chromium prints it (ISO 32000-1, 7.4.4, 8.9.5: 8 bits, RGB)."""
    document = page.pdf(print_background=True)
    found: set[str] = set()
    for head in re.finditer(rb"<<[^<>]*/Subtype /Image[^<>]*>>\s*stream\r?\n", document):
        assert b"/BitsPerComponent 8" in head[0]
        assert b"/Filter /FlateDecode" in head[0]
        body = zlib.decompressobj().decompress(document[head.end() :])
        found |= {f"#{body[at : at + 3].hex()}" for at in range(0, len(body), 3)}
    return found


def test_a_dark_map_is_printed_in_light_colours(atlas: Atlas) -> None:
    seen = atlas.open("/en/atlas#port=65535", color_scheme="dark")
    assigned, unassigned, *_, dynamic = LAYERS["status"].codes
    found = printed(seen.page)
    assert {assigned.light, unassigned.light, dynamic.light} <= found
    assert not {assigned.dark, unassigned.dark, dynamic.dark} & found
    assert seen.colours(60000) == [dynamic.dark]  # the screen has its own again


@pytest.mark.parametrize("path", ["/en", "/en/atlas"])
def test_without_scripts_the_dark_still_picture_is_printed_in_light_colours(atlas: Atlas, path: str) -> None:
    context = atlas.browser.new_context(java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    page.goto(atlas.site + path)
    found = printed(page)
    assert {one.light for one in LAYERS["status"].codes[:2]} <= found
    assert not {one.dark for one in LAYERS["status"].codes[:2]} & found
    context.close()


def test_the_map_is_light_between_the_two_events_of_printing_and_waits_for_no_frame(atlas: Atlas) -> None:
    """At zoom 32 there are lines, of the paper's colour, between the cells."""
    seen = atlas.open("/en/atlas#port=60000&zoom=32", color_scheme="dark")
    seen.page.evaluate(DRAWN)
    screen, paper, after = seen.page.evaluate(
        """() => ["", "beforeprint", "afterprint"].map((name) => {
          if (name) dispatchEvent(new Event(name));
          const found = new Set(), high = canvas.height;
          const data = canvas.getContext("2d").getImageData(0, high - 60, canvas.width, 60).data;
          for (let at = 0; at < data.length; at += 4) {
            found.add("#" + [...data.slice(at, at + 3)].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
          }
          return [...found];
        })"""
    )
    dynamic = LAYERS["status"].codes[-1]
    assert {dynamic.dark, "#16181b"} <= set(screen)
    assert {dynamic.light, "#fdfcf9"} <= set(paper)
    assert not {dynamic.dark, "#16181b"} & set(paper)
    assert after == screen


def test_the_map_is_light_as_long_as_the_medium_is_paper(atlas: Atlas) -> None:
    seen = atlas.open("/en/atlas#port=65535", color_scheme="dark")
    dynamic = LAYERS["status"].codes[-1]
    seen.page.emulate_media(media="print")
    assert seen.colours(60000) == [dynamic.light]
    assert not seen.page.locator("#atlas .tools").is_visible()
    seen.page.emulate_media(media="screen")
    assert seen.colours(60000) == [dynamic.dark]


# --- the still picture


@pytest.mark.parametrize(("look", "file"), STILL)
def test_the_still_picture_is_a_png_that_browsers_read(atlas: Atlas, look: str, file: str) -> None:
    seen = atlas.open()
    size, rgb = seen.page.evaluate(
        """async (file) => {
          const image = new Image();
          image.src = `/static/${file}`;
          await image.decode();
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.width, image.height];
          canvas.getContext("2d").drawImage(image, 0, 0);
          return [image.width, [...canvas.getContext("2d").getImageData(2 * 22, 1, 1, 1).data.slice(0, 3)]];
        }""",
        file,
    )
    assert (size, "#" + bytes(rgb).hex()) == (512, getattr(LAYERS["status"].codes[0], look))  # 22 is assigned


# --- moving


def test_arrows_pages_and_ends_move_the_cursor_and_say_where_it_is(atlas: Atlas) -> None:
    seen = atlas.open()
    assert seen.said == "0 · reserved"
    assert seen.press("ArrowRight") == "1 · assigned · tcpmux"
    assert seen.press("ArrowDown") == "257 · assigned · set"
    assert seen.press("ArrowUp", "ArrowLeft", "ArrowLeft") == "0 · reserved"  # there is nothing before 0
    assert seen.press("PageDown").startswith("4096 ")  # 16 rows of 256
    assert seen.press("End").startswith("4351 ")
    assert seen.press("Home", "PageUp").startswith("0 ")
    assert seen.press("Control+End") == "65535 · dynamic"
    assert seen.press("ArrowRight", "ArrowDown") == "65535 · dynamic"
    assert seen.press("Control+Home") == "0 · reserved"


def test_plus_and_minus_zoom_about_the_cursor_and_the_address_tells_the_view(atlas: Atlas) -> None:
    seen = atlas.open()
    seen.press("Control+End", "+", "+")
    seen.told("zoom", "4")
    seen.told("port", "65535")
    seen.press("-")
    seen.told("zoom", "2")
    address = seen.page.url
    again = atlas.open(address.removeprefix(seen.site))
    assert again.said == "65535 · dynamic"
    assert again.page.evaluate("[view.zoom, view.x, view.y]") == [2, 192, 192]  # the lower right quarter
    for button, zoom in (("#atlas-out", "1"), ("#atlas-in", "2")):
        again.page.click(button)
        again.told("zoom", zoom)


def test_enter_and_the_link_open_the_page_of_the_port(atlas: Atlas) -> None:
    seen = atlas.open("/de/atlas#port=703")
    assert seen.page.get_attribute("#atlas-said a", "href") == "/de/ports/703"
    seen.canvas.focus()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/de/ports/703")


def test_the_pointer_says_what_it_is_over_and_a_click_moves_the_cursor(atlas: Atlas) -> None:
    seen = atlas.open()
    box = seen.canvas.bounding_box()
    cell = (box["width"] - 2) / 256  # within its border
    x, y = box["x"] + 1 + 22.5 * cell, box["y"] + 1 + 0.5 * cell
    seen.page.mouse.move(x, y)
    assert seen.said == "22 · assigned · ssh"
    seen.page.mouse.move(5, 5)
    assert seen.said == "0 · reserved"
    seen.page.mouse.click(x, y)
    seen.page.mouse.move(5, 5)
    assert seen.said == "22 · assigned · ssh"


def test_the_wheel_zooms_where_the_pointer_is_and_dragging_moves_the_map(atlas: Atlas) -> None:
    seen = atlas.open()
    box = seen.canvas.bounding_box()
    middle = box["x"] + box["width"] / 2 + 1, box["y"] + box["height"] / 2 + 1  # not between two cells
    seen.page.mouse.move(*middle)
    before = seen.said
    for _ in range(4):
        seen.page.mouse.wheel(0, -200)
    until(seen.page, "view.zoom > 4")
    seen.page.mouse.move(middle[0], middle[1] + 0.5)
    assert seen.said == before
    x = seen.page.evaluate("view.x")
    seen.page.mouse.down()
    seen.page.mouse.move(middle[0] - 100, middle[1] + 0.5, steps=4)
    seen.page.mouse.up()
    moved = seen.page.evaluate("view.x") - x
    assert moved == pytest.approx(100 / (box["width"] - 2) * 256 / seen.page.evaluate("view.zoom"), rel=0.02)
    assert seen.page.evaluate("view.port") == 0  # a drag is no click


def test_two_fingers_zoom(atlas: Atlas) -> None:
    seen = atlas.open(has_touch=True)
    box = seen.canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    session = seen.context.new_cdp_session(seen.page)
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 100), ("touchMove", 160), ("touchEnd", 0)):
        points = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}] if apart else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    until(seen.page, "view.zoom > 1.5")


def test_a_layer_is_chosen_with_its_own_legend(atlas: Atlas) -> None:
    """The name that is said is the registry's, in the layer of claims the one of the claim that is shown."""
    seen = atlas.open("/en/atlas#port=3127")
    assert seen.said == "3127 · assigned · ctx-bridge"
    assert seen.page.locator(".legend:visible").get_attribute("data-layer") == "status"
    meanings = seen.page.locator(".meanings:visible li").all_text_contents()
    assert len(meanings) == len(LAYERS["status"].codes)
    assert "No entry: the registry does not list the port at all, not even as unassigned." in meanings
    seen.page.select_option("#atlas-layer", "claims")
    assert seen.said == "3127 · malware · MyDoom worm backdoor"
    assert seen.page.locator(".legend:visible").get_attribute("data-layer") == "claims"
    assert seen.page.locator(".meanings:visible").count() == 0
    seen.told("layer", "claims")
    assert not seen.page.locator("#atlas-time").is_visible()
    assert not seen.page.locator("#atlas-upload").is_visible()


def test_the_slider_goes_through_the_years(atlas: Atlas) -> None:
    """3868 (diameter) is in no list of 2005; a name of today is not told of the past."""
    seen = atlas.open("/en/atlas#layer=history&port=3868")
    slider = seen.page.locator("#atlas-year")
    assert (slider.get_attribute("max"), slider.input_value()) == (str(len(DAYS) - 1), str(len(DAYS) - 1))
    assert seen.said == "3868 · assigned · diameter"
    slider.focus()
    seen.page.keyboard.press("Home")
    assert seen.page.locator("#atlas-day").text_content() == "December 22, 2005"
    assert slider.get_attribute("aria-valuetext") == "December 22, 2005"
    first = str(portlore.load(as_of=DAYS[0]).lookup(3868).status)
    assert seen.said == f"3868 · {'assigned' if first == 'assigned' else 'no entry'}"
    seen.told("year", "2005")
    assert atlas.open("/en/atlas#layer=history&year=2013").page.locator("#atlas-year").input_value() == "1"


def test_play_runs_through_the_years_and_stops_when_it_is_told_to_or_at_the_end(atlas: Atlas) -> None:
    seen = atlas.open("/en/atlas#layer=history", reduced_motion="no-preference")
    play = seen.page.locator("#atlas-play")
    play.click()
    assert play.get_attribute("aria-pressed") == "true"
    until(seen.page, "view.year >= 2")
    play.click()
    assert play.get_attribute("aria-pressed") == "false"
    seen.page.evaluate("turn(slider.max - 1)")
    play.click()
    seen.page.wait_for_selector("#atlas-play[aria-pressed=false]", timeout=30_000)
    assert seen.page.evaluate("view.year") == len(DAYS) - 1


def test_who_wants_no_motion_gets_a_year_at_a_press(atlas: Atlas) -> None:
    seen = atlas.open("/en/atlas#layer=history", reduced_motion="reduce")
    for year in (0, 1, 2):
        seen.page.click("#atlas-play")
        assert seen.page.evaluate("view.year") == year
        assert seen.page.get_attribute("#atlas-play", "aria-pressed") == "false"
    assert seen.page.evaluate("playing") == 0


def test_this_machine_shows_the_listeners_of_the_server(atlas: Atlas) -> None:
    port = atlas.site.rpartition(":")[2]
    seen = atlas.open(f"/en/atlas#layer=listeners&port={port}")
    until(seen.page, "document.getElementById('atlas-said').textContent.includes('only on this machine')")


def test_a_layer_that_is_not_for_the_reader_goes_away(atlas: Atlas) -> None:
    context = atlas.browser.new_context()
    page = context.new_page()
    page.route("**/api/v1/listeners", lambda route: route.fulfill(status=403, body="{}"))
    page.goto(f"{atlas.site}/en/atlas#layer=listeners")
    until(page, "!document.querySelector('#atlas-layer [value=listeners]')")
    assert page.input_value("#atlas-layer") == "status"
    context.close()


BAD_ADDRESSES = [
    "port=-5", "port=70000", "port=1.5", "port=", "zoom=0", "zoom=-3", "zoom=9999", "x=1e300&y=1e300", "layer=nobody",
    "year=1815&layer=history", "%%%", "=", "#####", "layer=__proto__",
]  # fmt: skip


def test_whatever_the_address_says_a_map_is_shown(atlas: Atlas) -> None:
    seen = atlas.open()
    for address in BAD_ADDRESSES:
        seen.page.evaluate("(address) => { location.hash = address; }", address)
        seen.page.evaluate(DRAWN)
        x, y, zoom, port = seen.page.evaluate("[view.x, view.y, view.zoom, view.port]")
        assert 1 <= zoom <= 256, address
        assert 128 / zoom <= x <= 256 - 128 / zoom, address
        assert 128 / zoom <= y <= 256 - 128 / zoom, address
        assert 0 <= port <= 65535, address
        assert int(port) == port, address


# --- looks and manners


@pytest.mark.parametrize("code", ["fr", "ar"])
def test_the_page_fits_a_narrow_screen(atlas: Atlas, code: str) -> None:
    seen = atlas.open(f"/{code}/atlas", viewport={"width": 320, "height": 640}, device_scale_factor=2)
    for layer in LAYERS:
        seen.page.select_option("#atlas-layer", layer)
        boxes = seen.page.eval_on_selector_all(
            "#atlas :is(select, button, input, canvas, li, p, output)",
            """(all) => all.map((one) => one.getBoundingClientRect()).filter((box) => box.width)
              .map((box) => [box.left, box.right])""",
        )
        assert min(left for left, _ in boxes) >= 0, layer
        assert max(right for _, right in boxes) <= 320, layer
    assert seen.page.evaluate("[canvas.width, canvas.clientWidth]") == [572, 286]  # two pixels for each of the page's


def test_pixels_follow_the_size_of_the_window(atlas: Atlas) -> None:
    seen = atlas.open()
    seen.page.set_viewport_size({"width": 400, "height": 900})
    until(seen.page, "canvas.width === canvas.clientWidth && canvas.width < 400")


def test_what_the_map_needs_is_little(atlas: Atlas) -> None:
    """For a first picture within a second: the page, its style, two scripts and one file, none of them large."""
    seen = atlas.open()
    sizes = seen.page.evaluate(
        "performance.getEntriesByType('resource').map((one) => [new URL(one.name).pathname, one.decodedBodySize])"
    )
    loaded = {path: size for path, size in sizes if path.startswith("/static/")}
    assert set(loaded) <= {f"/static/{name}" for name in ("style.css", "site.js", "atlas.js", "atlas.json", "icon.svg")}
    assert loaded["/static/atlas.js"] <= 25_000
    assert loaded["/static/atlas.json"] <= 250_000


@pytest.mark.parametrize(("scheme", "file"), STILL)
def test_without_javascript_there_is_a_still_picture_in_place_of_the_map(atlas: Atlas, scheme: str, file: str) -> None:
    context = atlas.browser.new_context(java_script_enabled=False, color_scheme=scheme)
    page = context.new_page()
    for path, images in (("/en/atlas", "noscript img:visible"), ("/en", ".map img:visible")):
        page.goto(atlas.site + path)
        assert page.locator(images).get_attribute("src") == f"/static/{file}"
        assert page.locator("canvas:visible, .tools:visible").count() == 0
    context.close()


@pytest.mark.parametrize(("scheme", "file"), STILL)
def test_without_its_file_the_still_picture_takes_the_place_of_the_map(atlas: Atlas, scheme: str, file: str) -> None:
    context = atlas.browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.route("**/atlas.json", lambda route: route.abort())
    page.goto(f"{atlas.site}/en/atlas")
    page.wait_for_selector("#atlas > img:visible", timeout=30_000)
    still = page.locator("#atlas > img:visible")
    assert still.get_attribute("alt") == "A map of all 65,536 ports"
    assert still.get_attribute("src") == f"/static/{file}"
    context.close()


def test_axe_finds_nothing(atlas: Atlas) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for scheme in ("light", "dark"):
        seen = atlas.open("/en/atlas#layer=history", color_scheme=scheme)
        for layer in LAYERS:
            seen.page.select_option("#atlas-layer", layer)
            found = axe.run(seen.page, context="#atlas").response["violations"]
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
