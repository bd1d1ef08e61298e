"""Demand that the pure packages are covered whole; report the edges. Run after pytest has written .coverage."""

from __future__ import annotations

import io
import sys

import coverage

PURE = (
    "model",
    "errors",
    "value",
    "query",
    "book",
    "chronicle",
    "searching",
    "ranges",
    "packed",
    "registry/",
    "lore/",
    "render/",
    "own/labels",
    "own/free",
    "seen",
    "judging",
    "filtering",
    "comparing",
    "listeners/addresses",
    "listeners/netlink",
    "listeners/procnet",
    "listeners/cgroups",
    "oncrpc/",
    "observed",
    "ber",
    "probes/",
    "atlas/",
    "web/pages/",
    *(
        f"scan/{name}"
        for name in (
            "plan", "targets", "ports", "ranking", "policy", "grid", "pace", "packets", "account", "schedule",
            "holding", "advising", "remembering",
        )
    ),
    *(
        f"netinfo/{name}"
        for name in (
            "values", "coding", "domain", "access", "procedures", "answering", "exchange", "descrypt", "dumping", "raw",
            "loading", "guests", "binder", "making", "tools/usages", "tools/helps", "tools/expressions",
            "generations", "replicating", "channel", "contents", "tuning",
            "disk/findings", "disk/records", "disk/recovering", "disk/writing", "disk/stores", "disk/collection",
            "disk/mending",
            *(f"bridges/{one}" for one in (
                "__init__", "changes", "dn", "dslocal", "etc", "from_ldap", "kinds", "ldap_messages", "ldif", "nodes",
                "records", "residue", "schema", "special", "syntaxes", "table", "to_ldap",
            )),
        )
    ),
)  # fmt: skip
DEMANDED = 98  # per cent of lines and branches of the pure parts together


def main() -> None:
    data = coverage.Coverage()
    data.load()
    files = [f for f in data.get_data().measured_files() if any(f"/src/portlore/{part}" in f for part in PURE)]
    text = io.StringIO()
    total = data.report(include=files, file=text, show_missing=True, skip_covered=True)
    print(f"pure parts: {total:.1f} % of lines and branches covered in {len(files)} modules")
    if total < DEMANDED:
        print(text.getvalue())
        sys.exit(f"the pure parts are covered to {total:.1f} %, {DEMANDED} % are demanded")


if __name__ == "__main__":
    main()
