"""``portlore update`` against a real HTTP server on loopback: what is taken, what is refused, what survives."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from portlore import DataError, HostError, InputError, ParseError, opening
from portlore.opening import open_registry
from portlore.updating import SIZE_LIMIT, Result, update

Answer = Callable[[BaseHTTPRequestHandler], None]


def registry_xml(date: str, keep: float = 1.0, extra: str = "") -> bytes:
    """The shipped registry as IANA's XML again, with a note, perhaps shortened or with one record more."""
    from xml.sax.saxutils import escape

    from portlore.registry.record import split

    records = [row for record in open_registry().records() for row in split(record)]
    parts = [f'<registry xmlns="http://www.iana.org/assignments"><updated>{date}</updated>']
    for row in records[: int(len(records) * keep)]:
        cells = {"name": row.name, "protocol": row.transports, "description": row.description, "number": row.number}
        inside = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in cells.items() if value)
        note = "<note>A remark that is not shipped.</note>" if row.number == "80" else ""
        parts.append(f"<record>{inside}{note}</record>")
    return ("".join(parts) + extra + "</registry>").encode()


NEW = (
    "<record><name>brand-new</name><protocol>tcp</protocol><description>x</description><number>29500</number></record>"
)


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Answer], list[dict[str, str]]]]:
    """A server whose answers a test sets by path, and the request headers it saw."""
    answers: dict[str, Answer] = {}
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            answers[self.path](self)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}", answers, seen
    http.shutdown()
    http.server_close()


def whole(data: bytes, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        for key, value in {"Content-Length": str(len(data)), **named}.items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


Server = tuple[str, dict[str, Answer], list[dict[str, str]]]


def test_a_newer_registry_is_taken_with_its_notes_and_its_changes(server: Server) -> None:
    url, answers, _ = server
    answers["/r.xml"] = whole(registry_xml("2026-10-01", extra=NEW))
    result = update(f"{url}/r.xml")
    assert result.newer
    registry = open_registry()
    assert registry.snapshot.date == "2026-10-01"
    assert registry.said(29500, "tcp")[2][0].name == "brand-new"
    assert registry.said(80, "tcp")[2][0].note == "A remark that is not shipped."
    (change,) = [c for c in registry.changes(29500, "tcp") if c.kind == "assigned"]
    assert change.between == ("2026-08-17", "2026-10-01")
    assert registry.as_of("2026-09-01").said(29500, "tcp")[2] == ()
    assert registry.as_of("2013-06-01").said(502, "tcp")[2][0].name == "asa-appl-proto"


def test_an_unchanged_registry_is_not_fetched_again(server: Server) -> None:
    url, answers, seen = server
    data = registry_xml("2026-10-01")

    def conditional(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("If-None-Match") == '"v1"':
            handler.send_response(304)
            handler.end_headers()
        else:
            whole(data, ETag='"v1"', Last_Modified="Thu, 01 Oct 2026 00:00:00 GMT")(handler)

    answers["/r.xml"] = conditional
    update(f"{url}/r.xml")
    result = update(f"{url}/r.xml")
    assert not result.newer
    assert "nothing newer" in result.text
    assert seen[1]["If-None-Match"] == '"v1"'
    assert seen[1]["If-Modified-Since"] == "Thu, 01 Oct 2026 00:00:00 GMT"


def test_a_compressed_transfer_is_opened(server: Server) -> None:
    url, answers, _ = server
    answers["/r.xml"] = whole(gzip.compress(registry_xml("2026-10-01")), Content_Encoding="gzip")
    assert update(f"{url}/r.xml").newer


def test_check_only_reports(server: Server) -> None:
    url, answers, _ = server
    answers["/r.xml"] = whole(registry_xml("2026-10-01"))
    result = update(f"{url}/r.xml", check=True)
    assert result == Result(True, "a newer registry is there: of 2026-10-01; in use: 2026-08-17")
    assert open_registry().snapshot.date == "2026-08-17"


def slow_forever(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(2000):
        handler.wfile.write(b"<")
        handler.wfile.flush()
        time.sleep(0.005)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * (1 << 20))
    except OSError:
        pass


BOMB = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaa">]><registry><updated>&a;</updated></registry>'
HOSTILE: list[tuple[str, Answer, type[Exception], str]] = [
    ("a shrunken registry", whole(b""), DataError, "fewer"),
    ("an older registry", whole(b""), DataError, "2020-01-01"),
    ("an entity bomb", whole(BOMB), ParseError, "document type"),
    ("a page that is no registry", whole(b"<html></html>"), ParseError, "not a registry"),
    ("a broken transfer", whole(b"<registry>", Content_Length="9999"), HostError, "broke off"),
    ("an announced monster", whole(b"", Content_Length=str(SIZE_LIMIT + 1)), HostError, "announced"),
    ("an endless answer", endless, HostError, "more than"),
    ("a gzip bomb", whole(gzip.compress(b" " * (SIZE_LIMIT + 99)), Content_Encoding="gzip"), HostError, "unpacked"),
    ("bad compression", whole(b"nonsense", Content_Encoding="gzip"), HostError, "badly compressed"),
    ("a missing page", lambda handler: handler.send_error(404), HostError, "404"),
    ("a broken server", lambda handler: handler.send_error(500), HostError, "500"),
]


@pytest.mark.parametrize(("answer", "error", "told"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_a_hostile_or_broken_update_leaves_the_old_record_in_use(
    server: Server, answer: Answer, error: type[Exception], told: str
) -> None:
    url, answers, _ = server
    if told == "fewer":
        answer = whole(registry_xml("2026-10-01", keep=0.9))
    elif told == "2020-01-01":
        answer = whole(registry_xml("2020-01-01"))
    answers["/r.xml"] = answer
    with pytest.raises(error) as caught:
        update(f"{url}/r.xml")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert open_registry().snapshot.date == "2026-08-17"


def test_a_transfer_that_takes_too_long_is_given_up(server: Server) -> None:
    url, answers, _ = server
    answers["/r.xml"] = slow_forever
    ticks = iter(range(0, 100_000, 30))
    with pytest.raises(HostError, match="not done after"):
        update(f"{url}/r.xml", clock=lambda: float(next(ticks)))


def test_force_takes_a_shrunken_or_older_registry(server: Server) -> None:
    url, answers, _ = server
    answers["/r.xml"] = whole(registry_xml("2026-10-01", keep=0.5))
    assert "2026-10-01 is in use" in update(f"{url}/r.xml", force=True).text


def test_force_takes_an_older_registry_and_answers_from_it(tmp_path: Path) -> None:
    path = tmp_path / "registry.xml"
    path.write_bytes(registry_xml("2020-01-01"))
    assert "instead of the one of 2026-08-17" in update(str(path), force=True).text
    assert open_registry().snapshot.date == "2020-01-01"


def test_a_registry_of_a_day_to_come_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "registry.xml"
    path.write_bytes(registry_xml("2999-01-01"))
    with pytest.raises(DataError, match="a day to come"):
        update(str(path))


def test_a_server_that_is_not_there_is_told_with_the_remedy() -> None:
    with pytest.raises(HostError, match="--from FILE"):
        update("http://127.0.0.1:1/r.xml")


def test_a_file_is_taken_too_and_a_csv_has_the_date_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "2026-10-01.csv"
    rows = [f"name{n},{n},tcp,x" for n in range(1, 9999)]
    path.write_text("\n".join(("Service Name,Port Number,Transport Protocol,Description", *rows, "")))
    update(str(path), force=True)
    assert open_registry().snapshot.date == "2026-10-01"


@pytest.mark.parametrize(
    "origin", ["/nowhere/at/all.xml", "ftp://127.0.0.1/x.xml", "file:///etc/passwd", "http://[", ""]
)
def test_what_cannot_be_read_is_our_error(origin: str) -> None:
    with pytest.raises(InputError):
        update(origin)


def test_a_damaged_update_on_disk_falls_back_to_the_shipped_record(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    url, answers, _ = server
    answers["/r.xml"] = whole(registry_xml("2026-10-01"))
    update(f"{url}/r.xml")
    stored = Path(opening.user_directory(), opening.REGISTRY)
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    assert open_registry().snapshot.date == "2026-08-17"
    assert "damaged" in capsys.readouterr().err


def test_an_update_that_is_killed_leaves_the_old_or_the_new_record_never_a_part(tmp_path: Path) -> None:
    """kill -9 at many moments: whatever is there afterwards is whole."""
    path = tmp_path / "registry.xml"
    path.write_bytes(registry_xml("2026-10-01"))
    environment = {**os.environ, "PORTLORE_DATA": str(tmp_path / "data")}
    seen = set()
    for moment in (0.05, 0.3, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0):
        command = [sys.executable, "-m", "portlore", "update", "--from", str(path), "--force"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        look = [sys.executable, "-m", "portlore", "80", "--json"]
        done = subprocess.run(look, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        seen.add(done.stdout[:27])
    assert seen <= {'{"snapshot": "2026-08-17", ', '{"snapshot": "2026-10-01", '}
