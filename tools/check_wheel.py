"""Look into a wheel: the run-time form is in it, the text it is built from is not, the data keep to their limit.

What the site needs (templates, catalogues, static files) is there too, and nothing else.
"""

from __future__ import annotations

import sys
import zipfile

LIMIT = 1_500_000  # bytes of the book's data
PACKED = {"registry.plb", "claims.plb", "programs.plb"}
SITE = ("portlore/web/templates/", "portlore/web/static/", "portlore/web/locale/")


def main() -> None:
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        sizes = {info.filename: info.file_size for info in wheel.infolist()}
    data = {
        name: size for name, size in sizes.items() if not name.endswith((".py", ".typed")) and ".dist-info" not in name
    }
    site = {name: data.pop(name) for name in list(data) if name.startswith(SITE)}
    if {name.rpartition("/")[2] for name in data} != PACKED or any(not name.endswith(".plb") for name in data):
        sys.exit(f"the wheel's data are {sorted(data)}, not the packed files alone")
    missing = [part for part in SITE if not any(name.startswith(part) for name in site)]
    if missing:
        sys.exit(f"the site's {', '.join(missing)} are not in the wheel")
    if sum(data.values()) > LIMIT:
        sys.exit(f"the wheel ships {sum(data.values()):,} bytes of data, more than {LIMIT:,}")
    print(f"{len(sizes)} files, {sum(data.values()):,} bytes of data, {sum(site.values()):,} of the site")


if __name__ == "__main__":
    main()
