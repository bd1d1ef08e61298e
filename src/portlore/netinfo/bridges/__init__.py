"""NetInfo domains in the forms of other directories, both ways; FORMS is the table. Pure but for ``ldap_client``.

A form's modules have ``write(domain, options)``, which gives pieces of text, or of a folder the names of files with
their bytes, and ``read(source, options)``, whose source is lines of bytes, or of a folder the same pairs. Whatever a
form has no words for is kept in it too, in words of our own, so that reading what was written gives the same domain:
directories with their numbers, counts of changes and order, properties and values in order, bytes as they are.
"""

from __future__ import annotations

from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from portlore.netinfo.domain import Domain


class Form(Value):
    """A form: what it is, whether it is a folder, the modules that write and read it."""

    what: str
    is_folder: bool
    writer: str
    reader: str


class Options(Value):
    """How: ``where`` a source is, for messages; the rest is for LDAP, see :class:`.to_ldap.Exporter`."""

    where: str = ""
    base: str = ""
    schema: str = "rfc2307"
    plain: bool = False
    without: tuple[str, ...] = ()


class Told(Value):
    """A domain that was read, and what is to be said of it."""

    domain: Domain
    remarks: tuple[str, ...] = ()


FORMS = {
    "json": Form("our own: every number as it is", False, "records", "records"),
    "ldif": Form("for LDAP servers (RFC 2849, 2307)", False, "to_ldap", "from_ldap"),
    "dslocal": Form("a folder of plists, as Mac OS X 10.5 and later has it", True, "dslocal", "dslocal"),
    "etc": Form("a folder of files as in /etc", True, "etc", "etc"),
    "csv": Form("a table, a property a row", False, "table", "table"),
}


def module(name: str) -> Any:
    """A module of this table, imported when it is needed."""
    return __import__(f"portlore.netinfo.bridges.{name}", fromlist=["write"])
