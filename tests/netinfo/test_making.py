"""A new domain: what `portlore netinfo init` makes is what an old machine needs to bind and to log somebody in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from portlore.errors import InputError
from portlore.netinfo.access import Caller
from portlore.netinfo.answering import Service
from portlore.netinfo.making import machine, new_domain
from portlore.netinfo.passwords import make_des, matches
from portlore.netinfo.store import Store, faults
from portlore.netinfo.values import NiId
from portlore.oncrpc.xdr import opaque

DOMAIN = [("network", ("office", "10.0.0.1"), [("next1", "10.0.0.5")], "ann", 501)]
HEAD = bytes.fromhex("0000000100000000000000020bed48a000000002")
NEXT = Caller("10.0.0.5", 700, local=False)


def service() -> Service:
    tag, host, machines, user, uid = DOMAIN[0]
    return Service(
        new_domain(tag, host, machines, user, uid, make_des(b"secret")), b"network", matches, hostname=b"office"
    )


def bound(one: Service, tag: bytes, address: str) -> bool:
    """Whether a machine that broadcasts for a parent is taken in (SPEC 4: NI BIND over UDP)."""
    number = bytes(map(int, address.split(".")))
    reply = one.answer(NEXT, HEAD + (24).to_bytes(4, "big") + bytes(16) + opaque(tag) + number, udp=True)
    assert reply is not None
    return reply[20:24] == bytes(4)


def test_the_machine_that_was_named_can_bind_and_no_other() -> None:
    one = service()
    assert bound(one, b"local", "10.0.0.5")
    assert not bound(one, b"local", "10.0.0.6")
    assert not bound(one, b"network", "10.0.0.5")


def test_the_domain_names_its_master_and_itself() -> None:
    domain = service().domain
    assert domain.values(0, b"master") == (b"office/network",)
    (own,) = domain.find(domain.path(b"machines") or 0, b"serves", b"./network")
    assert domain.values(own, b"ip_address") == (b"10.0.0.1",)
    assert list(faults(domain)) == []


def test_the_first_user_logs_in_and_nobody_is_root_by_password() -> None:
    domain = service().domain
    user, root = domain.path(b"users", b"ann"), domain.path(b"users", b"root")
    assert user is not None
    assert root is not None
    (hashed,) = domain.values(user, b"passwd") or ()
    assert matches(b"secret", hashed)
    assert not matches(b"public", hashed)
    assert domain.values(root, b"passwd") == (b"*",)
    assert NiId(user, domain.at(user).instance) == domain.at(user).ni_id


@pytest.mark.parametrize(
    "text", ["", "next1", "next1=", "=10.0.0.5", "next1=10.0.0", "next1=10.0.0.256", "a/b=10.0.0.5", "x=1.2.3.x"]
)
def test_a_machine_without_name_or_address_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        machine(text)


def test_init_makes_a_file_that_serves_and_prints_the_next_command(tmp_path: Path) -> None:
    path = tmp_path / "office"
    command = [sys.executable, "-m", "portlore", "netinfo"]
    words = ["init", str(path), "--user", "ann", "--machine", "next1=10.0.0.5", "--host", "office=10.0.0.1"]
    done = subprocess.run([*command, *words], input="secret\n", capture_output=True, text=True, check=True)
    assert f"sudo portlore netinfo serve --domain network={path} --listen 10.0.0.1" in done.stdout
    told = json.loads(subprocess.run([*command, "export", path], capture_output=True, text=True, check=True).stdout)
    assert len(told["records"]) == 15
    again = subprocess.run([*command, *words], input="secret\n", capture_output=True, text=True, check=False)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    nobody = subprocess.run(
        [*command, *words[:1], str(tmp_path / "x"), *words[2:]], input="", capture_output=True, text=True, check=False
    )
    assert (nobody.returncode, (tmp_path / "x").exists()) == (2, False)
    with Store(str(path)) as store:
        assert list(faults(store.load())) == []


def test_a_domain_and_its_backup_are_their_owners_alone(tmp_path: Path) -> None:
    with Store(str(tmp_path / "office"), create=True) as store:
        store.write_all(service().domain)
        store.backup(str(tmp_path / "copy"))
    assert {one.stat().st_mode & 0o077 for one in tmp_path.iterdir()} == {0}
