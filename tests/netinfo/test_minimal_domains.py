"""What a server makes when the binder tells it to create a domain (SPEC 1)."""

from __future__ import annotations

import pytest

from portlore.errors import InputError
from portlore.netinfo.domain import Domain
from portlore.netinfo.making import machine, minimal_clone, minimal_domain


def values(domain: Domain, name: bytes, key: bytes) -> list[bytes]:
    machines = domain.path(b"machines")
    assert machines is not None
    (found,) = domain.find(machines, b"name", name)
    return list(domain.values(found, key) or ())


@pytest.mark.parametrize(("address", "known"), [("10.0.0.1", [b"10.0.0.1"]), ("127.0.0.1", [])])
def test_a_new_master_serves_itself_and_is_known_by_no_loopback_address(address: str, known: list[bytes]) -> None:
    domain = minimal_domain("office", "alpha", address)
    assert list(domain.values(0, b"master") or ()) == [b"alpha/office"]
    assert values(domain, b"alpha", b"serves") == [b"./office"]
    assert values(domain, b"alpha", b"ip_address") == known


def test_a_new_clone_knows_its_master_alone() -> None:
    domain = minimal_clone("alpha", "10.0.0.1", "office")
    assert list(domain.values(0, b"master") or ()) == [b"alpha/office"]
    assert values(domain, b"alpha", b"ip_address") == [b"10.0.0.1"]


@pytest.mark.parametrize("text", ["next1", "=10.0.0.5", "next1=10.0.0.256", "a/b=10.0.0.5", "next1=ten"])
def test_a_machine_is_a_name_and_an_address(text: str) -> None:
    with pytest.raises(InputError):
        machine(text)
    assert machine("next1=10.0.0.5") == ("next1", "10.0.0.5")
