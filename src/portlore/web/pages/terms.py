"""The closed vocabularies in people's languages: statuses, verdicts, kinds of claims. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from portlore.web.words import Words


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for a message that is translated elsewhere
    """Mark a message for the catalogues."""
    return message


STATUSES = {
    "assigned": N_("assigned"),
    "unassigned": N_("unassigned"),
    "reserved": N_("reserved"),
    "de-registered": N_("given back"),
    "no-entry": N_("no entry"),
    "dynamic": N_("dynamic"),
}
MEANINGS = {  # of the statuses
    "assigned": N_("Assigned says who holds the number, not what is listening there: look before you trust it."),
    "unassigned": N_("Unassigned means that nobody holds the number, not that nobody uses it."),
    "reserved": N_("Reserved: not open to registration without a special reason (RFC 6335, section 6)."),
    "de-registered": N_(
        "Given back: nobody else gets it before all other ports of its range are taken (RFC 6335, section 8.2)."
    ),
    "no-entry": N_("No entry: the registry does not list the port at all, not even as unassigned."),
    "dynamic": N_("Dynamic ports (49152-65535) are never assigned to anybody (RFC 6335, section 6)."),
}
VERDICTS = {
    "confirmed": N_("confirmed"),
    "disputed": N_("disputed"),
    "unverified": N_("unverified"),
    "contradicted": N_("contradicted"),
}
KINDS = {
    "vendor-documented": N_("documented by its maker"),
    "customary": N_("customary"),
    "historical": N_("historical"),
    "malware": N_("malware"),
    "story": N_("a story"),
}


def term(table: Mapping[str, str], code: str, words: Words) -> str:
    """A code's word in a language; the code itself where the table has none."""
    return words.say(table[code]) if code in table else code
