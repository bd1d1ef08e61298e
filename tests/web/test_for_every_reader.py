"""Pages as different people need them, in a real Chromium: axe, narrow screens, keyboard, dark, paper, no motion."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from readers import Readers, until

pytestmark = pytest.mark.browser

KINDS = {  # a page of every kind, by the first part of its path; `site.PAGES` has the kinds
    "": "", "ports": "ports/703", "ranges": "ranges/640-703", "services": "services/ssh", "search": "search?q=printer",
    "changes": "changes", "ghosts": "ghosts", "about": "about", "atlas": "atlas",
}  # fmt: skip
MORE = ("ports/70000", "ports/8080", "ports/60000", "ranges/600-1023", "ranges/1024-49151", "search?q=nobodyhasthis")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OF_COLOURS = ["color-contrast", "link-in-text-block"]  # nothing else differs in the dark
LIGHT, DARK = "rgb(253, 252, 249)", "rgb(22, 24, 27)"
BACKGROUND = "getComputedStyle(document.documentElement).backgroundColor"
NARROW = {"width": 320, "height": 640}  # WCAG 2.2, 1.4.10: what 1280 pixels are at 400 %
WIDE_SPACING = """* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
p { margin-block-end: 2em !important; }"""  # WCAG 2.2, 1.4.12
STICKING_OUT = """() => [document.documentElement, ...document.body.querySelectorAll("*:not(.skip, pre *)")]
  .filter((one) => one.scrollWidth && (one.getBoundingClientRect().right > innerWidth + 1
    || one.getBoundingClientRect().left < -1 || (one === document.documentElement && one.scrollWidth > innerWidth)))
  .map((one) => one.outerHTML.slice(0, 100))"""


STOPS = """() => {
  const some = "a[href], button, input:not([type=hidden]), select, [tabindex='0']";
  window.stops = [...document.querySelectorAll(some)].filter((one) => one.checkVisibility());
  return stops.length;
}"""
STOP = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const outline = [style.outlineStyle, parseFloat(style.outlineWidth), style.outlineColor].join(" ");
  return [stops.indexOf(one), outline, box.bottom > 0 && box.top < innerHeight];
}"""
MOVING = """() => document.getAnimations().length
  + Number(getComputedStyle(document.documentElement).scrollBehavior === "smooth")"""


def test_every_kind_of_page_is_looked_at(served: Readers) -> None:
    from portlore.web.site import PAGES

    assert set(KINDS) == set(PAGES)


# --- axe-core


def found_by_axe(page: Any, **options: Any) -> list[str]:
    """What axe-core complains of: rule, first place, why."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    response = axe.run(page, options={"resultTypes": ["violations"], **options}).response
    assert response["testEngine"]["name"] == "axe-core"
    return [
        f"{one['id']}: {one['nodes'][0]['html']} {one['nodes'][0]['failureSummary']}" for one in response["violations"]
    ]


@pytest.mark.parametrize("code", ["en", "ar", "ja"])
def test_axe_finds_nothing_on_any_kind_of_page_light_or_dark(readers: Readers, code: str) -> None:
    page = readers.open(f"/{code}/")
    paths = [f"/{code}/{path}" for path in (*KINDS.values(), MORE[0])] + (["/api/v1/docs"] if code == "en" else [])
    for path in paths:
        readers.go(page, path)
        assert page.evaluate(BACKGROUND) == LIGHT
        assert not found_by_axe(page, runOnly={"type": "tag", "values": RULES}), path
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(BACKGROUND) == DARK
        assert not found_by_axe(page, runOnly={"type": "rule", "values": OF_COLOURS}), path
        page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_open_list_of_the_search_box_and_after_a_vote(readers: Readers, scheme: str) -> None:
    page = readers.open("/en/ports/80", color_scheme=scheme)
    page.locator("header input").fill("ssh")
    page.wait_for_selector("#suggest [role=option]")
    page.keyboard.press("ArrowDown")
    assert not found_by_axe(page)
    page.keyboard.press("Escape")
    page.locator(".feedback button").first.click()
    page.wait_for_selector(".feedback [aria-pressed=true]")
    assert not found_by_axe(page)


def test_axe_would_find_something(readers: Readers) -> None:
    """It runs: a picture without words and pale letters do not pass."""
    page = readers.open("/en/about")
    page.evaluate("document.querySelector('main').append(new Image())")
    page.evaluate("document.querySelector('.lead').style.color = '#ccc'")
    assert {one.partition(":")[0] for one in found_by_axe(page)} == {"image-alt", "color-contrast"}


# --- narrow screens and large letters


@pytest.mark.parametrize("code", ["en", "ar", "bn"])
def test_nothing_sticks_out_of_a_narrow_screen(readers: Readers, code: str) -> None:
    page = readers.open(f"/{code}/", viewport=NARROW)
    for path in [f"/{code}/{path}" for path in (*KINDS.values(), *MORE)] + ["/api/v1/docs"]:
        readers.go(page, path)
        assert page.evaluate(STICKING_OUT) == [], path


def test_nothing_sticks_out_when_letters_are_set_wide(readers: Readers) -> None:
    page = readers.open("/en/", viewport=NARROW, bypass_csp=True)
    for path in KINDS.values():
        readers.go(page, f"/en/{path}")
        page.add_style_tag(content=WIDE_SPACING)
        assert page.evaluate(STICKING_OUT) == [], path


def test_commands_and_ranges_read_from_left_to_right_in_an_arabic_page(readers: Readers) -> None:
    """Where each sign stands, not how it is marked: a range's first number is left of its last."""
    page = readers.open("/ar/ports/703")
    order = """(one) => {
      const texts = document.createTreeWalker(one, NodeFilter.SHOW_TEXT), range = document.createRange(), at = [];
      while (texts.nextNode()) for (let n = 0; n < texts.currentNode.length; n++) {
        range.setStart(texts.currentNode, n);
        range.setEnd(texts.currentNode, n + 1);
        at.push(range.getBoundingClientRect().left);
      }
      return at.every((left, n) => !n || left > at[n - 1]);
    }"""
    for path, selector, text in (
        ("ports/703", ".commands code", "sport = :703"),
        ("ports/703", ".crumbs a bdi", "0-1023"),
        ("ports/703", "article bdi >> nth=1", "TCP"),
        ("ports/703", "article small bdi", "600-1023"),
        ("ranges/600-1023", ".crumbs li:last-child bdi", "600-1023"),
        ("search?q=printer", ".hits .small bdi", "515 TCP"),
    ):
        readers.go(page, f"/ar/{path}")
        found = page.locator(selector).filter(has_text=text).first
        assert text in found.text_content()
        assert found.evaluate(order), (path, selector)


# --- the keyboard


def test_the_first_tab_shows_a_link_that_skips_to_the_content(readers: Readers) -> None:
    page = readers.open("/en/ports/703")
    skip = page.locator(".skip")
    assert skip.bounding_box()["x"] < 0
    page.keyboard.press("Tab")
    assert skip.evaluate("(one) => one === document.activeElement")
    assert skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.querySelector('main a')")


@pytest.mark.parametrize("path", ["/en/ports/502", "/ar/ports/502", "/en/atlas", "/en/search?q=printer"])
def test_everything_is_reached_with_tab_in_the_order_of_the_page_and_is_seen_to_be(readers: Readers, path: str) -> None:
    page = readers.open(path)
    wanted = page.evaluate(STOPS)
    assert wanted > 25
    reached, unseen = [], []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        place, outline, is_in_view = page.evaluate(STOP)
        reached.append(place)
        if not outline.startswith("solid 3 ") or outline.endswith(LIGHT) or not is_in_view:
            unseen.append(place)
    assert reached == list(range(wanted))
    assert unseen == []


def test_the_map_is_zoomed_and_a_port_is_opened_with_keys(readers: Readers) -> None:
    page = readers.open("/ug/atlas#port=703")
    page.locator("#atlas-map").focus()
    for _ in range(3):
        page.keyboard.press("+")
    until(page, "location.hash.includes('zoom=8')")
    page.keyboard.press("ArrowRight")
    assert "704" in page.locator("#atlas-said").text_content()
    page.keyboard.press("Enter")
    page.wait_for_url("**/ug/ports/704")


# --- dark, paper, motion


def test_pages_turn_dark_with_the_system(readers: Readers) -> None:
    page = readers.open("/en/ports/703", color_scheme="light")
    assert page.evaluate(BACKGROUND) == LIGHT
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(BACKGROUND) == DARK
    ink = page.evaluate("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")
    assert min(ink) > 200


def test_a_printed_page_is_dark_on_white_and_leaves_out_what_paper_cannot_do(readers: Readers) -> None:
    page = readers.open("/en/ports/703", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    assert max(page.evaluate("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")) < 60
    for gone in ("header form", "header nav", ".feedback", "footer nav", ".commands button"):
        assert page.locator(gone).count()
        assert not any(one.is_visible() for one in page.locator(gone).all()), gone
    for kept in ("h1", ".lead", "table", ".commands code", ".sources"):
        assert page.locator(kept).first.is_visible(), kept
    link = page.locator(".sources a").first
    shown = link.evaluate("(one) => getComputedStyle(one, '::after').content")
    assert link.get_attribute("href") in shown or "attr(href)" in shown
    assert page.pdf(format="A4").startswith(b"%PDF-")


def test_nothing_moves_for_who_wants_no_motion(readers: Readers) -> None:
    page = readers.open("/en/ports/703", reduced_motion="reduce")
    assert page.evaluate(MOVING) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(MOVING) == 1


def test_a_source_that_is_jumped_to_is_marked(readers: Readers) -> None:
    page = readers.open("/en/ports/703")
    page.locator("sup a").first.click()
    until(page, "document.querySelector('#s1').matches(':target')")
    assert page.locator("#s1").evaluate("(one) => getComputedStyle(one).outlineStyle") == "solid"
    box = page.locator("#s1").bounding_box()
    assert 0 <= box["y"] < 900
