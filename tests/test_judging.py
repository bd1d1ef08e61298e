"""Does what is seen agree with what is said? Each word of the judgement on real ports, with the real programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from seeing import hidden, listener, owner

from portlore.judging import Judge, Speaker, called
from portlore.listeners.kernel import part_named
from portlore.model import ClaimKind, OwnLabel, PortRange, Verdict
from portlore.opening import load, open_programs
from portlore.seen import Exposure, JudgementWord, Listener, Program, Reason

JUDGEMENTS = [  # port, transport, program, judgement: known from the registry and the programs' manuals
    (80, "tcp", "nginx", "expected"),
    (443, "tcp", "caddy", "expected"),
    (22, "tcp", "sshd", "expected"),
    (53, "udp", "named", "expected"),
    (5432, "tcp", "postgres", "expected"),
    (3306, "tcp", "mysqld", "expected"),
    (6379, "tcp", "redis-server", "expected"),
    (631, "tcp", "cupsd", "expected"),
    (123, "udp", "chronyd", "expected"),
    (389, "tcp", "slapd", "expected"),
    (25, "tcp", "exim4", "expected"),
    (9090, "tcp", "prometheus", "customary"),
    (3000, "tcp", "grafana-server", "customary"),
    (5432, "tcp", "nginx", "squatting"),
    (22, "tcp", "redis-server", "squatting"),
    (973, "tcp", "python3", "refuted"),
    (703, "udp", "nginx", "refuted"),
    (7035, "tcp", "python3", "unregistered"),
    (50123, "tcp", "nginx", "unregistered"),
    (5432, "tcp", "python3", "unknown"),
]


@pytest.mark.parametrize(("port", "transport", "name", "word"), JUDGEMENTS)
def test_a_socket_is_judged(port: int, transport: str, name: str, word: str) -> None:
    one = listener(port, "0.0.0.0", owner(name), transport=transport)
    assert one.judgement is not None
    assert one.judgement.word == word, one.why
    assert one.why
    assert "\n" not in one.why


def test_the_reason_names_what_is_registered_and_what_is_there() -> None:
    assert listener(80, "0.0.0.0", owner("nginx")).why == "registered for http, which nginx serves"
    assert listener(5432, "0.0.0.0", owner("nginx")).why == "registered for postgresql, but nginx serves http and https"
    assert "story" in listener(703).why
    assert "Modbus" in listener(703).why


def test_a_registered_service_wins_over_a_story_about_its_port() -> None:
    assert listener(636, "0.0.0.0", owner("slapd")).judgement is not None  # 600-1023: the story of NetInfo
    assert listener(636, "0.0.0.0", owner("slapd")).judgement.word is JudgementWord.EXPECTED  # type: ignore[union-attr]


def test_stories_that_tell_how_ports_are_refute_nobody() -> None:
    """ "These ports can be registered like others" is false of 49152-65535; a listener there proves nothing of it."""
    assert listener(50000 + 123).judgement.word is JudgementWord.UNREGISTERED  # type: ignore[union-attr]


def test_with_several_owners_one_that_fits_is_enough_and_an_unknown_one_accuses_nobody() -> None:
    both = listener(80, "0.0.0.0", owner("python3"), owner("nginx", 5))
    assert both.judgement is not None
    assert both.judgement.word is JudgementWord.EXPECTED
    mixed = listener(5432, "0.0.0.0", owner("python3"), owner("nginx", 5))
    assert mixed.judgement is not None
    assert mixed.judgement.word is JudgementWord.UNKNOWN


def test_a_hidden_owner_on_an_assigned_port_cannot_be_judged() -> None:
    one = listener(5432, "0.0.0.0", hidden())
    assert one.judgement is not None
    assert one.judgement.word is JudgementWord.UNKNOWN
    assert "hidden" in one.why


UNEXPECTED = [
    (5432, "0.0.0.0", "nginx", True),
    (5432, "127.0.0.1", "nginx", True),
    (703, "127.0.0.1", "python3", True),
    (7035, "0.0.0.0", "python3", True),
    (7035, "192.168.1.1", "python3", True),
    (7035, "127.0.0.1", "python3", False),
    (7035, "::1", "python3", False),
    (80, "0.0.0.0", "nginx", False),
    (5432, "0.0.0.0", "python3", False),
]


@pytest.mark.parametrize(("port", "address", "name", "unexpected"), UNEXPECTED)
def test_unexpected_is_squatting_refuted_and_unregistered_beyond_loopback(
    port: int, address: str, name: str, unexpected: bool
) -> None:
    assert listener(port, address, owner(name)).unexpected is unexpected


def test_an_organisations_own_label_is_a_registration() -> None:
    label = OwnLabel("7035", "tcp", "billing", "team", "", "portlore.toml")
    judge = Judge(load().joined(own=(label,)))
    _, judgement = judge.judge("tcp", 7035, (Speaker("java", None),))
    assert (judgement.word, judgement.why) == ("expected", "your portlore.toml gives this port to billing")
    _, other = judge.judge("tcp", 7033, (Speaker("java", None),))
    assert other.word == "unregistered"


def test_a_bound_udp_socket_of_the_ephemeral_range_is_most_likely_a_clients() -> None:
    judge = Judge(load(), PortRange(32768, 60999))
    assert "most likely a client" in judge.judge("udp", 45123, (Speaker("x", None),))[1].why
    assert "client" not in judge.judge("tcp", 45123, (Speaker("x", None),))[1].why
    assert "client" not in judge.judge("udp", 61123, (Speaker("x", None),))[1].why


def test_neighbouring_ports_are_judged_each_by_its_own_record_in_any_order() -> None:
    speakers = (Speaker("nginx", open_programs().named("nginx")),)
    forwards, backwards = Judge(load(), PortRange(32768, 60999)), Judge(load(), PortRange(32768, 60999))
    ports = range(0, 65536, 7)
    told = [forwards.judge("udp", port, speakers) for port in ports]
    again = [backwards.judge("udp", port, speakers) for port in reversed(ports)]
    assert told == again[::-1]
    for port, (said, _) in zip(ports, told, strict=True):
        facts = load().lookup(port, "udp")
        assert said.status == facts.status
        assert said.names[:1] == ((facts.name,) if facts.name else ())


def test_a_clients_udp_socket_is_neither_unexpected_nor_squatting() -> None:
    judge = Judge(load(), PortRange(32768, 60999))
    dns = (Speaker("dnsmasq", open_programs().named("dnsmasq")),)
    _, free = judge.judge("udp", 50001, dns)
    assert (free.word, free.passing) == ("unregistered", True)
    assert not listener(50001, "0.0.0.0", transport="udp").replace(judgement=free).unexpected
    _, taken = judge.judge("udp", 47808, dns)  # bacnet's
    assert taken.word == "unknown"
    assert "most likely a client" in taken.why


@pytest.mark.parametrize(("port", "name"), [(6010, "sshd"), (3306, "haproxy"), (5666, "xinetd"), (465, "stunnel4")])
def test_a_program_that_passes_on_what_it_is_given_squats_nowhere(port: int, name: str) -> None:
    one = listener(port, "0.0.0.0", owner(name))
    assert one.judgement is not None
    assert one.judgement.word in (JudgementWord.UNKNOWN, JudgementWord.EXPECTED)
    assert one.judgement.word is JudgementWord.EXPECTED or "look behind it" in one.why


def test_a_story_of_a_whole_range_refutes_only_where_nothing_is_registered() -> None:
    """600-1023 is not NetInfo's; 993 is imaps' all the same, and nginx there is a squatter like any other."""
    assert listener(993, "0.0.0.0", owner("nginx")).judgement.word is JudgementWord.SQUATTING  # type: ignore[union-attr]
    free = next(p for p in range(600, 1023) if not load().lookup(p).name)
    assert listener(free).judgement.word is JudgementWord.REFUTED  # type: ignore[union-attr]


def test_the_kernels_wireguard_is_customary_on_its_port() -> None:
    part = part_named("WireGuard (wg0), most likely")
    assert part is not None
    program = Program((), (), part.services, part.uses, part.what)
    assert Judge(load()).judge("udp", 51820, (Speaker(part.what, program),))[1].word == "customary"


def test_a_process_is_called_by_its_name_and_by_what_it_is_found_to_be() -> None:
    assert called("nginx", open_programs().named("nginx")) == "nginx"
    found = open_programs().find("python3", "/usr/bin/python3", lambda: ["python3", "-m", "http.server"])
    assert called("python3", found) == "python3 (http.server)"
    assert called("python3", None) == "python3"


def test_udp_lite_has_udps_numbers() -> None:
    one = listener(53, "0.0.0.0", owner("named"), transport="udplite")
    assert one.judgement is not None
    assert one.judgement.word == "expected"


CLIENTS = [
    (703, 2049, "nfs", "as NFS does"),
    (1022, 514, "shell", "rlogin"),
    (721, 515, "printer", "lpr"),
    (900, 22, "ssh", "bindresvport"),
]


@pytest.mark.parametrize(("port", "peer_port", "name", "reason"), CLIENTS)
def test_a_clients_reserved_source_port_is_explained_with_its_peer(
    port: int, peer_port: int, name: str, reason: str
) -> None:
    one = listener(port, "10.0.0.9", peer="10.0.0.5", peer_port=peer_port)
    assert one.judgement is None
    assert not one.unexpected
    assert f"10.0.0.5:{peer_port} ({name})" in one.why
    assert reason in one.why
    assert "source port" in one.why


def test_an_ephemeral_source_port_is_told_without_a_guess() -> None:
    one = listener(45000, "10.0.0.9", peer="2001:db8::5", peer_port=443)
    assert one.why == "the source port of a connection to [2001:db8::5]:443 (https)"


def test_a_connection_to_what_listens_here_is_told_as_such() -> None:
    one = listener(80, "10.0.0.9", peer="10.0.0.5", peer_port=50000)
    _, why = Judge(load()).client(one.socket, offered=True)
    assert why == "a client at 10.0.0.5 is connected to what listens on 80 (http)"


def test_every_story_either_names_a_user_in_one_word_or_is_a_sentence() -> None:
    """The judgement tells the two apart by the blank, so no alleged user's name may hold one."""
    for claim in load().lore:
        if claim.kind is ClaimKind.STORY and claim.verdict is Verdict.CONTRADICTED and " " in claim.name:
            assert len(claim.name.split()) >= 3, claim.name


def test_exposure_words_are_the_designs_five() -> None:
    assert list(Exposure) == ["loopback", "link-local", "private", "public", "all"]
    assert list(JudgementWord) == ["expected", "customary", "refuted", "squatting", "unregistered", "unknown"]
    assert list(Reason) == ["permission", "kernel", "elsewhere", "ended"]


def test_a_listener_is_a_value() -> None:
    one = listener(80)
    assert one == listener(80)
    assert isinstance(one, Listener)
    with pytest.raises(AttributeError):
        one.why = ""  # type: ignore[misc]
