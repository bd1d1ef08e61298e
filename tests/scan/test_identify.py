"""What speaks on a port: real servers, told by name and version whatever their port, and servers that mean no good."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from probes.driving import folder
from probes.infrastructure import dnsmasq
from scan.hosts import Hosts, needs_namespaces
from scan.speaking import certificate, drip, never_read, nginx, pour, redis_in_tls, s_server, serving, sshd

from portlore.errors import HostError
from portlore.observed import Identification, Observation, Outcome, Target
from portlore.opening import load
from portlore.scan.identify import identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

HOSTILE = b"\x1b[2J\x1b]0;owned\x07\x9b31m\xe2\x80\xae SSH-2.0 \r\n" * 20


def ask(*ports: int, host: str = "", transport: str = "tcp", **more: Any) -> dict[int, Observation]:
    """What is found on ports of loopback."""
    targets = [Target("127.0.0.1", port, transport, host) for port in ports]
    seen: list[Observation] = []
    identify([Observation(one, Outcome.OPEN, "", None, 0.0) for one in targets], load(), seen.append, **more)
    assert sorted(one.target.port for one in seen) == sorted(ports)
    return {one.target.port: one for one in seen}


def spoken(one: Observation) -> Identification:
    assert one.identification is not None
    assert one.judgement is not None
    return one.identification


def test_real_servers_are_told_by_name_and_version_also_within_tls() -> None:
    with ExitStack() as stack:
        ssh = stack.enter_context(sshd())
        plain, tls = stack.enter_context(nginx())
        redis, relay = stack.enter_context(redis_in_tls())
        lone = stack.enter_context(s_server())
        found = ask(ssh, plain, tls, redis, relay, lone, host="portlore.example")
    told = spoken(found[ssh])
    assert (told.protocol, told.product) == ("ssh", "OpenSSH")
    assert told.version[:1].isdigit()
    for port, layers in ((plain, 1), (tls, 2)):
        inner = spoken(found[port]).spoken
        assert (inner.protocol, inner.product) == ("http", "nginx")
        assert ("title", "Fish & chips \x1b[31m") in inner.facts
        assert (spoken(found[port]) is inner) == (layers == 1)
    for port in (tls, relay, lone):
        outer = spoken(found[port])
        assert outer.protocol == "tls"
        facts = dict(outer.facts)
        assert facts["subject"] == "CN=portlore.example, O=Tests"
        assert "TLS 1.2" in facts["accepts"]
        assert "SSL 3.0" not in facts["accepts"]
    assert dict(spoken(found[tls]).facts)["alpn"] == "h2"
    for port in (redis, relay):
        inner = spoken(found[port]).spoken
        assert (inner.protocol, inner.product) == ("redis", "Redis")
        assert inner.version[:1].isdigit()
    assert spoken(found[lone]).spoken.protocol == "http"


@needs_namespaces
def test_a_page_on_a_port_of_a_false_story_is_refuted_on_another_host() -> None:
    with Hosts() as hosts:
        words = [sys.executable, "-m", "http.server", "973", "-d", "/var/empty"]
        server = hosts.on_the_peer(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            words = [sys.executable, "-m", "portlore", "identify", f"{hosts.address}:973,974", "--json"]
            end = time.monotonic() + 60
            while True:
                done = hosts.run(words)
                rows = {row["port"]: row for row in json.loads(done.stdout)["observations"]}
                if rows[973]["outcome"] == "open" or time.monotonic() > end:
                    break
        finally:
            server.kill()
            server.wait()
    assert rows[974]["outcome"] == "refused"
    assert (rows[973]["protocol"], rows[973]["product"]) == ("http", "SimpleHTTP")
    assert rows[973]["judgement"] == "refuted"
    assert "973 speaks HTTP" in rows[973]["why"]
    assert rows[973]["exposure"] == "private"


def test_a_server_of_one_client_at_a_time_that_never_hangs_up_gets_its_turn() -> None:
    def serve(link: socket.socket) -> None:
        while data := link.recv(4096):  # as memcached does, but one client after the other; silent to all else
            if data.startswith(b"version\r\n"):
                link.sendall(b"VERSION 1.6.18\r\n")

    with serving(serve, one_by_one=True) as port:
        told = spoken(ask(port)[port])
    assert (told.protocol, told.version) == ("memcache", "1.6.18")


def test_no_server_can_hold_up_the_others_or_fill_memory() -> None:
    with ExitStack() as stack:
        bad = [stack.enter_context(serving(serve)) for serve in (pour, never_read, drip(b"SSH-2.0-Slow\r\n" * 9))]
        bad.append(stack.enter_context(serving(lambda link: link.sendall(b"\x16\x03\x03\x40\x00" + b"\xff" * 16384))))
        bad.append(stack.enter_context(serving(lambda link: link.sendall(HOSTILE))))
        bad.append(stack.enter_context(serving(lambda link: None)))
        good = stack.enter_context(sshd())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        order: list[int] = []
        targets = [Target("127.0.0.1", port, "tcp") for port in (*bad, good)]
        opened = [Observation(one, Outcome.OPEN, "", None, 0.0) for one in targets]
        seen: dict[int, Observation] = {}

        def found(one: Observation) -> None:
            order.append(one.target.port)
            seen[one.target.port] = one

        identify(opened, load(), found)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert spoken(seen[good]).product == "OpenSSH"
    assert order.index(good) < order.index(bad[1])  # the silent one is the last to be given up
    assert set(order) == {*bad, good}
    assert all(seen[port].outcome is Outcome.OPEN for port in (bad[0], bad[1]))
    assert all(len(proof.received) <= 256 for one in seen.values() for proof in spoken(one).evidence)
    assert grown < 64 * 1024  # KiB, of the gigabyte that was on offer
    assert spoken(seen[bad[1]]).protocol == ""


def test_a_closed_port_is_no_open_one_and_a_silent_datagram_port_is_not_called_open() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    assert ask(port)[port].outcome is Outcome.REFUSED
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        port = mute.getsockname()[1]
        assert ask(port, transport="udp")[port].outcome is Outcome.TIMEOUT
    assert ask(port, transport="udp")[port].outcome is Outcome.REFUSED


def test_a_name_server_is_told_on_both_transports() -> None:
    with dnsmasq() as port:
        tcp, udp = ask(port)[port], ask(port, transport="udp")[port]
    for one in (tcp, udp):
        assert (spoken(one).protocol, spoken(one).product) == ("domain", "dnsmasq")
    assert (udp.outcome, udp.reason) == (Outcome.OPEN, "udp answer")


def test_a_server_that_speaks_http2_alone_is_told_within_tls() -> None:
    import ssl

    with folder() as where:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate(where))
        context.set_alpn_protocols(["h2"])

    def serve(link: socket.socket) -> None:  # RFC 9113 section 3.2: who does not choose h2 is not served
        with context.wrap_socket(link, server_side=True) as inside:
            if inside.selected_alpn_protocol() == "h2" and inside.recv(4096).startswith(b"PRI * HTTP/2.0"):
                inside.sendall(b"\0\0\6\4\0\0\0\0\0" + b"\0\3\0\0\0\x64")
                inside.recv(4096)

    with serving(serve) as port:
        told = spoken(ask(port)[port])
    assert (told.protocol, told.spoken.protocol) == ("tls", "http2")
    assert told.spoken.facts == (("most streams", "100"),)


def test_when_the_time_is_over_what_is_known_is_told() -> None:
    with serving(never_read) as silent, sshd() as ssh:
        found = ask(silent, ssh, budget=2.0)  # silence alone takes some three seconds
    assert spoken(found[ssh]).protocol == "ssh"
    assert "asked" in dict(spoken(found[silent]).facts)


def test_gentle_opens_one_connection_at_a_time() -> None:
    import threading

    now, most, lock = 0, 0, threading.Lock()

    def serve(link: socket.socket) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            while link.recv(4096):
                pass
        finally:
            with lock:
                now -= 1

    with serving(serve) as port:
        found = ask(port, gentle=True, budget=3.0)
    assert spoken(found[port]).protocol == ""
    assert most <= 2  # the one before may not have seen yet that it is over


def test_no_more_connections_are_open_than_this_process_may_have() -> None:
    inside = """
import resource, socket, sys
from portlore.observed import Observation, Outcome, Target
from portlore.opening import load
from portlore.scan.identify import identify
doors = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(24)]
book = load()
resource.setrlimit(resource.RLIMIT_NOFILE, (140, 140))
ports = [door.getsockname()[1] for door in doors]
targets = [Target(f"127.0.9.{n}" if n else "127.0.0.1", ports[n], "tcp") for n in range(24)]
doors += [socket.create_server((to.address, to.port), backlog=512) for to in targets[1:]]
identify([Observation(one, Outcome.OPEN, "", None, 0.0) for one in targets], book, lambda one: print(one.outcome))
"""
    done = subprocess.run([sys.executable, "-c", inside], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stderr, done.stdout.split()) == ("", ["open"] * 24)


def test_a_probe_that_raises_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from portlore.scan import identify as edge

    def broken(_: object) -> Any:
        yield b"?"
        raise ZeroDivisionError

    http = next(probe for probe in edge.TABLE.probes if probe.name == "http")
    probes = tuple(one.replace(dialogue=broken) if one is http else one for one in edge.TABLE.probes)
    monkeypatch.setattr(edge, "TABLE", edge.TABLE.replace(probes=probes))

    def serve(link: socket.socket) -> None:
        while data := link.recv(4096):
            link.sendall(b"VERSION 1.6.18\r\n" if data.startswith(b"version\r\n") else b"ERROR\r\n")

    with serving(serve) as port, sshd() as ssh:
        found = ask(port, ssh)
    assert spoken(found[ssh]).protocol == "ssh"
    assert spoken(found[port]).protocol == "memcache"
    assert ("failed", "http: ZeroDivisionError") in spoken(found[port]).facts


def test_a_port_that_waits_behind_silent_ones_of_its_host_loses_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from portlore.scan import identify as edge

    few = tuple(one for one in edge.TABLE.probes if one.name in ("http", "tls", "memcached"))
    monkeypatch.setattr(edge, "TABLE", edge.TABLE.replace(probes=few))
    monkeypatch.setattr(edge, "PORT_BUDGET", 1.5)  # which three ports one after the other do not have

    def serve(link: socket.socket) -> None:
        while data := link.recv(4096):
            if data.startswith(b"version\r\n"):
                link.sendall(b"VERSION 1.6.18\r\n")

    with ExitStack() as stack:
        silent = [stack.enter_context(serving(never_read)) for _ in range(3)]
        port = stack.enter_context(serving(serve))
        found = ask(*silent, port, per_host=1)
    assert spoken(found[port]).protocol == "memcache"


def test_what_a_tick_raises_ends_the_run_and_is_raised() -> None:
    def tick() -> None:
        raise HostError("writing state", "no space left on device", "make room")

    with serving(never_read) as port, pytest.raises(HostError, match="no space"):
        ask(port, tick=tick)


def test_a_reset_right_behind_the_handshake_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import struct

    from portlore.scan.dial import Line

    def reset(link: socket.socket) -> None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    monkeypatch.setattr(Line, "learn", lambda self, took: time.sleep(0.1))  # the reset is there by then
    with serving(reset) as port:  # the kernel may tell the reset before the handshake: then it closed early
        assert ask(port)[port].outcome in (Outcome.OPEN, Outcome.CLOSED_EARLY)


def test_a_zone_without_an_interface_ends_nothing() -> None:
    target = Target("fe80::1%none-such", 22, "tcp")
    seen: list[Observation] = []
    identify([Observation(target, Outcome.OPEN, "", None, 0.0)], load(), seen.append)
    assert [one.outcome for one in seen] == [Outcome.UNREACHABLE]


def test_a_greeting_that_comes_late_is_heard_on_any_port() -> None:
    """As of MariaDB while it looks up the name of who asks."""

    def serve(link: socket.socket) -> None:
        time.sleep(0.55)  # longer than the first wait, and than any other's
        link.sendall(b"SSH-2.0-Late_1.0\r\n")
        link.recv(100)

    with serving(serve) as port:
        told = spoken(ask(port)[port])
    assert (told.protocol, told.version) == ("ssh", "1.0")


def test_who_hangs_up_on_everybody_is_asked_little() -> None:
    count = 0

    def serve(link: socket.socket) -> None:
        nonlocal count
        count += 1

    with serving(serve) as port:
        told = spoken(ask(port)[port])
    assert count <= 3
    assert "hangs up" in dict(told.facts)["left alone"]


def portlore(*words: object, **more: Any) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "portlore", "identify", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, **more)


def test_the_command_shows_protocol_product_version_and_judgement_at_80_columns() -> None:
    with nginx() as (plain, tls), serving(lambda link: link.sendall(HOSTILE)) as hostile, sshd() as ssh:
        env = {**os.environ, "COLUMNS": "80", "FORCE_COLOR": "", "NO_COLOR": "1"}
        done = portlore(f"127.0.0.1:{plain},{tls},{ssh},{hostile}", "--evidence", env=env)
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"{tls}/tcp" in done.stdout
    assert "tls/http nginx" in done.stdout
    assert "ssh OpenSSH" in done.stdout
    assert "GET / HTTP/1.1\\x0d\\x0a" in done.stdout
    assert "4 open ports" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert all(character.isprintable() or character == "\n" for character in done.stdout)


@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
def test_the_command_answers_scripts(form: str) -> None:
    with sshd() as ssh:
        done = portlore(f"localhost:{ssh}", "--format", form)
    assert done.returncode == 0
    assert "OpenSSH" in done.stdout
    if form == "json":
        document = json.loads(done.stdout)
        (row,) = document["observations"]
        assert (row["protocol"], row["product"], row["host"]) == ("ssh", "OpenSSH", "localhost")
        assert row["evidence"][0]["received"].startswith("SSH-2.0-")
        assert document["summary"]["open"] == 1


def test_ctrl_c_leaves_a_valid_answer() -> None:
    with serving(never_read) as silent, sshd() as ssh:
        line = [sys.executable, "-m", "portlore", "identify", f"127.0.0.1:{ssh},{silent}", "--json"]
        with subprocess.Popen(line, stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            told = b""
            while b"OpenSSH" not in told:
                told += os.read(run.stdout.fileno(), 65536) or pytest.fail("it ended")
            run.send_signal(signal.SIGINT)
            told += run.stdout.read()
            assert run.wait(60) == 130
    document = json.loads(told)
    assert {row["port"] for row in document["observations"]} == {ssh, silent}


WRONG = [  # words, exit status, what is said
    (["127.0.0.1"], 2, "no host and port"),
    (["::1:22"], 2, "brackets"),
    (["127.0.0.1:0-70000"], 2, ""),
    (["127.0.0.1:nosuchservice"], 2, "no number"),
    (["203.0.113.7:80"], 4, "--i-am-allowed"),
    (["224.0.0.1:80"], 4, "multicast"),
    (["10.0.0.0/8:80"], 2, "portlore scan"),
]


@pytest.mark.parametrize(("words", "status", "text"), WRONG)
def test_what_cannot_or_may_not_be_asked_is_refused(words: list[str], status: int, text: str) -> None:
    done = portlore(*words)
    assert done.returncode == status, done.stderr
    assert text in done.stderr
    assert done.stdout == ""


@needs_namespaces
def test_a_port_that_nobody_could_ask_in_time_is_not_called_open() -> None:
    with Hosts(tcp=(22,), udp=(53,)) as hosts:
        hosts.behave(silent=True)
        line = [sys.executable, "-m", "portlore", "identify", f"{hosts.address}:703,U:703", "--json", "--budget", "0.2"]
        document = json.loads(hosts.run(line).stdout)
        with hosts.popen([*line[:-2]], stdout=subprocess.PIPE) as run:
            end = time.monotonic() + 60
            while not hosts.run(["ss", "-Htn", "state", "syn-sent"]).stdout:  # it is asking
                assert time.monotonic() < end
            run.send_signal(signal.SIGINT)
            told, _ = run.communicate(timeout=60)
        whole = json.loads(hosts.run([*line[:-2]]).stdout)
    interrupted = json.loads(told)
    assert run.returncode == 130
    for one, ended in ((document, "budget"), (interrupted, "interrupted"), (whole, "complete")):
        assert one["summary"]["ended"] == ended
        assert {row["outcome"] for row in one["observations"]} == {"timeout"}
        assert one["summary"]["open"] == 0
    assert {row["reason"] for row in document["observations"]} == {"not asked to the end"}
    assert {row["reason"] for row in whole["observations"]} == {"silence"}
