"""What readers do in a real Chromium, with JavaScript and without: look up, search, change the language, vote, copy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from readers import Readers, until

pytestmark = pytest.mark.browser

UYGHUR = "ئۇيغۇرچە"
EVERY_KIND = (
    "/en/", "/en/ports/703", "/bn/ports/8080", "/ug/ranges/600-1023", "/ja/services/ssh", "/de/search?q=printer",
    "/ar/changes", "/fr/ghosts", "/zh/about", "/hi/atlas", "/ru/ports/70000", "/api/v1/docs",
)  # fmt: skip


def searching(page: Any, words: str) -> list[str]:
    """Type into the search box; what is found as one types, when it is there."""
    asked = f"&q={quote(page.input_value('header input') + words, safe='')}"
    with page.expect_response(lambda answer: answer.url.endswith(asked)) as answer:
        page.locator("header input").press_sequentially(words)
    names = [hit["name"] for hit in answer.value.json()["hits"]]
    shown = "[...document.querySelectorAll('#suggest bdi:first-child')].map((one) => one.textContent)"
    until(page, f"JSON.stringify({shown}.slice(-{len(names)})) === JSON.stringify({json.dumps(names)})")
    return [" ".join(text.split()) for text in page.locator("#suggest [role=option]").all_text_contents()]


# --- the search box


def test_703_is_looked_up_through_the_search_box_with_the_keyboard_alone(readers: Readers) -> None:
    page = readers.open("/en/")
    found = searching(page, "703")
    assert found[0] == "703"
    assert "FortiGate HA 703 TCP/UDP" in found
    box = page.locator("header input")
    assert box.get_attribute("aria-expanded") == "true"
    assert box.get_attribute("aria-activedescendant") is None
    page.keyboard.press("ArrowDown")
    chosen = page.locator("#suggest [aria-selected=true]")
    assert chosen.text_content().strip() == "703"
    assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("Enter")
    page.wait_for_url("**/en/ports/703")
    assert page.locator("h1").text_content() == "Port 703"
    said = page.locator(".lead").text_content()
    assert said.startswith("703: officially nobody's; really FortiGate HA")
    assert said.endswith("not Modbus.")


def test_a_name_is_found_as_it_is_typed_and_a_click_opens_it(readers: Readers) -> None:
    page = readers.open("/de/about")
    assert searching(page, "ssh")[0].startswith("ssh 22 ")
    page.locator("#suggest [role=option]").first.click()
    page.wait_for_url("**/de/ports/22")


def test_arrows_go_round_the_list_and_escape_closes_it(readers: Readers) -> None:
    page = readers.open("/en/")
    last = len(searching(page, "printer")) - 1
    box, places = page.locator("header input"), []
    for key in ("ArrowUp", "ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        places.append(box.get_attribute("aria-activedescendant"))
    assert places == [f"hit-{last}", "hit-0", "hit-1", "hit-0"]
    page.keyboard.press("Escape")
    assert page.locator("#suggest").is_hidden()
    assert box.get_attribute("aria-expanded") == "false"
    assert box.get_attribute("aria-activedescendant") is None
    assert box.input_value() == "printer"


def test_the_list_goes_when_the_box_is_left_or_emptied(readers: Readers) -> None:
    page = readers.open("/en/")
    searching(page, "ssh")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.locator("#suggest").is_hidden()
    page.locator("header input").fill("")
    searching(page, "smtp")
    page.locator("header input").fill("")
    page.wait_for_selector("#suggest", state="hidden")


def test_an_answer_that_comes_late_does_not_replace_a_newer_one(readers: Readers) -> None:
    page = readers.open("/en/")
    held: list[Any] = []
    page.route("**/api/v1/search?*q=s", lambda route: held.append(route))
    page.locator("header input").press_sequentially("s")
    page.wait_for_event("request", lambda one: one.url.endswith("q=s"))
    found = searching(page, "mtp")
    assert held[0].fetch().json()["hits"][0]["name"] not in found[0]
    with page.expect_response("**/api/v1/search?*q=s"):
        held[0].continue_()
    page.wait_for_timeout(50)  # for the script to take it
    assert [" ".join(one.split()) for one in page.locator("#suggest a").all_text_contents()] == found


@pytest.mark.parametrize(
    ("typed", "path"), [("54320", "ports/54320"), ("600-1023", "ranges/600-1023"), ("٧٠٣", "ports/703")]
)
def test_without_javascript_the_page_of_a_number_or_a_range_is_found_first(
    readers: Readers, typed: str, path: str
) -> None:
    page = readers.open("/ar/", java_script_enabled=False)
    page.locator("header input").fill(typed)
    page.keyboard.press("Enter")
    page.wait_for_url("**/ar/search?*")
    assert page.locator(".hits a").first.get_attribute("href") == f"/ar/{path}"


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("54320", "/en/ports/54320"),
        ("600-1023", "/en/ranges/600-1023"),
        ("703-703", "/en/ports/703"),
        ("٧٠٣", "/en/ports/703"),
        ("৬০০-১০২৩", "/en/ranges/600-1023"),
        ("７０３", "/en/ports/703"),
        ("70000", "/en/search?q=70000"),
        ("1023-600", "/en/search?q=1023-600"),
        ("1-2-3", "/en/search?q=1-2-3"),
        ("line printer", "/en/search?q=line+printer"),
    ],
)
def test_enter_opens_the_page_of_a_number_or_a_range_and_searches_for_all_else(
    readers: Readers, typed: str, there: str
) -> None:
    page = readers.open("/en/")
    page.locator("header input").fill(typed)
    page.keyboard.press("Enter")
    page.wait_for_url(readers.site + there)


def test_enter_belongs_to_the_input_method_while_it_composes(readers: Readers) -> None:
    page = readers.open("/ja/")
    searching(page, "ssh")
    page.keyboard.press("ArrowDown")
    pressed = "box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: %s, cancelable: true}))"
    assert page.evaluate(pressed % "true")  # let pass
    assert page.url.endswith("/ja/")
    assert not page.evaluate(pressed % "false")
    page.wait_for_url("**/ja/ports/22")


def test_what_is_typed_keeps_its_order_in_a_right_to_left_page(readers: Readers) -> None:
    page = readers.open("/ar/")
    assert page.locator("header input").evaluate("(box) => getComputedStyle(box).unicodeBidi") == "plaintext"
    searching(page, "53/udp")
    parts = page.locator("#suggest a").first.locator("bdi")
    name, place = (part.bounding_box() for part in parts.all())
    assert parts.all_text_contents() == ["domain", "53 UDP"]
    assert name["x"] > place["x"]


def test_search_results_can_be_paged_and_read_in_another_language(readers: Readers) -> None:
    page = readers.open("/en/search?q=server")
    first = page.locator(".hits li").all_text_contents()
    assert len(first) == 20
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**/en/search?q=server&page=2")
    assert page.locator("ol.hits").get_attribute("start") == "21"
    assert set(first).isdisjoint(page.locator(".hits li").all_text_contents())
    page.get_by_role("link", name=UYGHUR).click()
    page.wait_for_url("**/ug/search?q=server")
    assert page.locator(".hits li").count() == 20


# --- languages


def test_switching_to_uyghur_turns_the_page_round(readers: Readers) -> None:
    page = readers.open("/en/ports/703")
    english = page.locator(".lead").text_content()
    left = page.locator(".brand").bounding_box()["x"], page.locator("header nav").bounding_box()["x"]
    assert left[0] < left[1]
    page.get_by_role("link", name=UYGHUR, exact=True).click()
    page.wait_for_url("**/ug/ports/703")
    assert page.evaluate("[document.documentElement.dir, document.documentElement.lang]") == ["rtl", "ug"]
    said = page.locator(".lead").text_content()
    assert said != english
    assert {"703", "FortiGate", "Modbus"} <= {part.strip("\u2068\u2069.:;،؛") for part in said.split()}
    assert set("ەۇېۆۈڭ") & set(said)  # letters of Uyghur that Arabic does not have
    right = page.locator(".brand").bounding_box()["x"], page.locator("header nav").bounding_box()["x"]
    assert right[0] > right[1]
    told = page.locator("article > div").first
    assert (told.get_attribute("lang"), told.get_attribute("dir")) == ("en", "ltr")
    command = page.locator(".commands code").first
    assert command.evaluate("(code) => getComputedStyle(code).direction") == "ltr"
    assert page.locator(f"footer a:text-is('{UYGHUR}')").get_attribute("aria-current") == "true"


@pytest.mark.parametrize(("wanted", "code"), [("ug-CN", "ug"), ("pt-BR", "pt"), ("nl-NL", "en")])
def test_the_first_page_is_in_the_language_of_the_browser(readers: Readers, wanted: str, code: str) -> None:
    page = readers.open("/", locale=wanted)
    assert page.url == f"{readers.site}/{code}/"
    assert page.evaluate("document.documentElement.lang") == code


# --- votes


def votes(readers: Readers, command: list[str]) -> dict[str, tuple[int, int, int]]:
    """What the owner sees: sad, unsure and happy by page."""
    environment = {**os.environ, "PORTLORE_DATA": str(readers.folder)}
    done = subprocess.run([*command, "feedback", "--json"], capture_output=True, text=True, env=environment)
    rows = json.loads(done.stdout)["feedback"]
    return {f"{row['language']}/{row['page']}": (row["sad"], row["unsure"], row["happy"]) for row in rows}


def test_a_vote_is_kept_and_can_be_changed_without_leaving_the_page(readers: Readers, command: list[str]) -> None:
    page = readers.open("/en/ports/703")
    faces = page.locator(".feedback button")
    assert faces.count() == 3
    for name, said, pressed in (
        ("Yes", "Thank you. Your vote is kept.", ["false", "false", "true"]),
        ("No", "Your vote was changed.", ["true", "false", "false"]),
        ("No", "You have said so already. Thank you.", ["true", "false", "false"]),
    ):
        page.get_by_role("button", name=name, exact=True).click()
        until(page, f"document.querySelector('.feedback output').textContent === {said!r}")
        assert [face.get_attribute("aria-pressed") for face in faces.all()] == pressed
    assert page.url.endswith("/en/ports/703")
    assert votes(readers, command)["en/ports/703"] == (1, 0, 0)


def test_without_javascript_a_vote_is_kept_and_can_be_changed(readers: Readers, command: list[str]) -> None:
    page = readers.open("/en/ports/80", java_script_enabled=False)
    for face, said in (("unsure", "Thank you. Your vote is kept."), ("sad", "Your vote was changed.")):
        page.locator(f".feedback button[value={face}]").click()
        page.wait_for_url("**/en/feedback")
        assert said == page.locator(".lead").text_content()
        page.locator("main p a").click()
        page.wait_for_url("**/en/ports/80")
    assert votes(readers, command)["en/ports/80"] == (1, 0, 0)


def test_a_vote_that_the_script_cannot_send_is_sent_as_a_form(readers: Readers, command: list[str]) -> None:
    page = readers.open("/en/ports/22")
    page.route(
        "**/feedback", lambda route: route.abort() if route.request.resource_type == "fetch" else route.fallback()
    )
    page.locator(".feedback button[value=happy]").click()
    page.wait_for_url("**/en/feedback")
    assert page.locator(".lead").text_content() == "Thank you. Your vote is kept."
    assert votes(readers, command)["en/ports/22"] == (0, 0, 1)
    readers.faults.remove("Failed to load resource: net::ERR_FAILED")  # which this test made


# --- without JavaScript, and what only a script does


def test_without_javascript_everything_is_there_but_the_finding_and_the_copying(readers: Readers) -> None:
    page = readers.open("/ar/", java_script_enabled=False)
    page.locator("header input").fill("modbus")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ar/search?q=modbus")
    assert page.locator("#suggest").count() == 0
    page.locator(".hits a").first.click()
    page.wait_for_url("**/ar/ports/*")
    assert page.locator(".commands code").count() == 5
    assert page.locator(".commands button").count() == 0
    page.locator(".crumbs a").nth(1).click()
    page.wait_for_url("**/ar/ranges/*")
    page.locator("footer a[lang=en]").click()
    page.wait_for_url("**/en/ranges/*")
    for path in EVERY_KIND:
        readers.go(page, path)
        assert page.locator("h1").is_visible()
        assert page.locator("main").inner_text().count("\n") > 1


def test_commands_are_copied_with_a_button(readers: Readers) -> None:
    page = readers.open("/en/ports/703", permissions=["clipboard-read", "clipboard-write"])
    for at, button in enumerate(page.locator(".commands button").all()):
        assert button.text_content() == "Copy"
        button.click()
        until(page, f"document.querySelectorAll('.commands button')[{at}].textContent === 'Copied'")
        shown = page.locator(".commands code").nth(at)
        assert "703" in shown.text_content()
        assert page.evaluate("navigator.clipboard.readText()") == shown.text_content()
        assert button.get_attribute("aria-describedby") == shown.get_attribute("id")
    until(page, "[...document.querySelectorAll('.commands button')].every((one) => one.textContent === 'Copy')")


# --- what pages ask for


def test_no_page_asks_another_host_or_does_what_its_own_policy_forbids(readers: Readers) -> None:
    page = readers.open("/en/")
    for path in EVERY_KIND:
        with page.expect_response(readers.site + path) as answer:
            readers.go(page, path)
        policy = answer.value.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_this_would_be_seen(readers: Readers) -> None:
    """The watch over the pages itself: a request elsewhere, and an inline script, are faults."""
    page = readers.open("/en/")
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'alert(1)'}))")
    until(page, "document.images.length > 1")
    page.wait_for_timeout(100)
    faults = " ".join(readers.faults)
    readers.faults.clear()
    assert "example.org" in faults
    assert "inline script" in faults


def test_pages_are_small(readers: Readers) -> None:
    page = readers.open("/bn/ports/8080")
    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map((one) => [new URL(one.name).pathname, one.decodedBodySize])"
    )
    loaded = dict(sizes)
    assert 20_000 < loaded.pop("/bn/ports/8080") <= 35_000  # one of the longest, in the longest script
    assert {"/static/style.css", "/static/site.js"} <= set(loaded)
    assert max(loaded.values()) <= 20_000
