"""Look into a wheel: the run-time form is in it, the text it is built from is not, and the data keep to their limit."""

from __future__ import annotations

import sys
import zipfile

LIMIT = 1_500_000  # bytes of shipped data


def main() -> None:
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        sizes = {info.filename: info.file_size for info in wheel.infolist()}
    data = {
        name: size for name, size in sizes.items() if not name.endswith((".py", ".typed")) and ".dist-info" not in name
    }
    problems = [name for name in data if not name.endswith(".plb")]
    if {name.rpartition("/")[2] for name in data} != {"registry.plb", "claims.plb", "programs.plb"} or problems:
        sys.exit(f"the wheel's data are {sorted(data)}, not the two packed files alone")
    if sum(data.values()) > LIMIT:
        sys.exit(f"the wheel ships {sum(data.values()):,} bytes of data, more than {LIMIT:,}")
    print(f"{len(sizes)} files, {sum(data.values()):,} bytes of data")


if __name__ == "__main__":
    main()
