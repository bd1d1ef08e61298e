"""How rows of the registry become a status; each line is a row that really stands there (2026-08-17)."""

from __future__ import annotations

import pytest

from portlore import Status
from portlore.registry.record import Record
from portlore.registry.status import most_specific, preferred_first, status_of, status_without_row

ROWS = [  # name, description, status; the port where it stands
    ("ssh", "The Secure Shell (SSH) Protocol", "assigned"),  # 22
    ("", "Unassigned", "unassigned"),  # 703
    ("", "unassigned", "unassigned"),
    ("", "Unassigned [was netstat]", "unassigned"),  # 15
    ("", "(unassigned) Possibly assigned", "unassigned"),
    ("", "Unassigned (FRP-Released 12/7/00)", "unassigned"),
    ("", "Possibly used by Sun Solaris????", "unassigned"),  # 1100-ish, with its note flag
    ("", "Reserved", "reserved"),  # 0
    ("", "Reserved - IANA", "reserved"),
    ("", "De-registered", "de-registered"),
    ("", "Removed", "de-registered"),
    ("", "Deprecated", "de-registered"),
    ("", "Decomissioned Port 04/14/00, ms", "de-registered"),
    ("", "De-Commissioned Port", "de-registered"),
    ("", "any private mail system", "assigned"),  # 24
    ("sua", "De-Registered", "de-registered"),  # 14001/udp: a name does not prove an assignment
    ("stun-behaviors", "Reserved for a future enhancement of STUN-BEHAVIOR", "assigned"),  # 5349/udp
    ("ident", "", "assigned"),  # 113/tcp
]


@pytest.mark.parametrize(("name", "description", "status"), ROWS)
def test_a_row_gives_this_status(name: str, description: str, status: str) -> None:
    assert status_of(name, description) is Status(status)


def test_without_a_row_a_port_has_no_entry_and_a_dynamic_port_is_dynamic() -> None:
    assert status_without_row(49151) is Status.NO_ENTRY
    assert status_without_row(49152) is Status.DYNAMIC


def test_the_narrowest_row_wins() -> None:
    wide, narrow = Record("717-728", ""), Record("720", "tcp", "name")
    assert most_specific([wide, narrow]) == [narrow]


PREFERRED = [  # the rows of one port in the registry's order; the name that comes first
    ([Record("80", "tcp udp", "www", marks="alias=http note"), Record("80", "tcp udp", "http")], "http"),
    ([Record("465", "tcp", "urd"), Record("465", "tcp", "submissions", reference="[RFC8314]")], "submissions"),
    ([Record("888", "tcp", "cddbp", marks="widespread note"), Record("888", "tcp", "accessbuilder")], "accessbuilder"),
    ([Record("2049", "tcp udp", "shilp"), Record("2049", "tcp udp", "nfs"), Record("2049", "sctp", "nfs")], "nfs"),
    ([Record("42", "tcp udp", "name"), Record("42", "tcp udp", "nameserver")], "name"),
]


@pytest.mark.parametrize(("rows", "first"), PREFERRED)
def test_the_preferred_name_comes_first(rows: list[Record], first: str) -> None:
    tcp = [row for row in rows if "tcp" in row.applies_to]
    assert preferred_first(tcp, rows)[0].name == first
