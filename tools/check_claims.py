"""Look the words of every claim, and of every program's row, up again in the package they were taken from.

    python tools/check_claims.py [--cache DIR]… [--sample N --seed S] [FILE…]

A source whose ``how`` is "package file" names a Debian, PyPI or npm package, a file in it, and words that stand there.
Each package is downloaded once (apt-get, pip, npm), the file opened, and the words searched with white space folded.
A line is printed for each source that does not hold, then the sum; exit 1 when one failed. Archives are looked for in
all ``--cache`` folders, and new ones go to the first. Nothing is installed, but pip runs a source archive's own build
script to learn its name: use a machine where that does no harm.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import unquote

from portlore.lore.program_schema import parse_programs
from portlore.lore.schema import parse_claims
from portlore.model import Source

LORE = Path(__file__).parent.parent / "src/portlore/lore"
PACKAGE = re.compile(r"pkg:(deb/debian|pypi|npm)/([^@]+)@([^#]+)#(.+)")
LARGEST = 100_000_000  # bytes; a larger package is not downloaded
BROKEN = (OSError, EOFError, subprocess.CalledProcessError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


class Package(NamedTuple):
    kind: str
    name: str
    version: str

    def owns(self, file: str) -> bool:
        """Is ``file`` the name of an archive of this package?"""
        if self.kind == "deb/debian":
            return file.endswith(".deb") and unquote(file).split("_")[:2] == [self.name, self.version]
        if self.kind == "npm":
            return file == f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"
        name = re.sub(r"[-_.]+", "[-_.]+", self.name)
        return bool(re.fullmatch(rf"{name}-{re.escape(self.version)}(-.+\.whl|\.tar\.gz|\.zip)", file, re.IGNORECASE))

    def downloads(self) -> list[list[str]]:
        """The commands that may bring an archive of it, the likeliest first."""
        if self.kind == "deb/debian":
            return [["apt-get", "download", f"{self.name}={self.version}"], ["apt-get", "download", self.name]]
        if self.kind == "npm":
            return [["npm", "pack", "--ignore-scripts", f"{self.name}@{self.version}"]]
        pip = ["pip", "download", "--no-deps", "--ignore-requires-python", f"{self.name}=={self.version}"]
        return [pip, [*pip, f"--no-binary={self.name}"]]


Quote = tuple[str, Package, str, str]  # the claim, the package, the file in it, its words


def read(archive: Path, wanted: set[str]) -> dict[str, bytes]:
    """The wanted files of an archive; the top folder of an npm or source archive may be left out."""
    inner: dict[str, Callable[[], IO[bytes] | None]] = {}
    found, folder = {}, ""
    with ExitStack() as stack:
        if archive.suffix == ".deb":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            with Path(folder, "tar").open("wb") as unpacked:
                subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=unpacked, check=True)
        if archive.suffix in (".whl", ".zip"):
            pages = stack.enter_context(zipfile.ZipFile(archive))
            inner |= {name: partial(pages.open, name) for name in pages.namelist()}
        else:
            tar = stack.enter_context(tarfile.open(Path(folder, "tar") if folder else archive))
            inner |= {file.name.removeprefix("./"): partial(tar.extractfile, file) for file in tar if not file.isdir()}
        if archive.suffix not in (".whl", ".deb"):
            inner |= {name.partition("/")[2]: opened for name, opened in inner.items()}
        for path in wanted.intersection(inner):
            with suppress(KeyError):  # a link to another package
                data = stream.read() if (stream := inner[path]()) else b""
                found[path] = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    return found


def fault(data: bytes, evidence: str) -> str:
    """What is there in place of the evidence; nothing when it stands there."""
    text, words = b" ".join(data.split()), b" ".join(evidence.encode().split())
    if words in text or words.decode().encode("latin-1", "replace") in text:
        return ""
    pieces = words.split()
    starts = [at for count in range(len(pieces)) if (at := text.find(b" ".join(pieces[:count]))) >= 0]
    if len(starts) == 1:  # that of no word at all
        return f"none of it stands there ({len(data)} bytes)"
    return f"the nearest is {text[starts[-1] : starts[-1] + len(words) + 40].decode(errors='replace')!r}"


def download(command: list[str], cache: Path) -> tuple[list[Path], str]:
    """What the command brought into the cache, or why nothing came; half an archive never gets there."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, preexec_fn=limit)
        except (OSError, subprocess.TimeoutExpired) as error:
            return [], str(error)
        if done.returncode:
            reasons = re.findall("File too large|EFBIG", done.stderr) + re.findall(
                "(?:E:|ERROR|npm error).*", done.stderr
            )
            return [], [*reasons, f"{command[0]} ended with {done.returncode}"][0]
        return [Path(shutil.move(file, cache / file.name)) for file in Path(folder).iterdir()], ""


def contents(package: Package, wanted: set[str], caches: list[Path]) -> tuple[dict[str, bytes], list[str], str]:
    """The wanted files of a package, from the caches or else by download; the archives read; what went wrong."""
    files, opened, why = dict[str, bytes](), list[str](), ""
    archives = [file for cache in caches for file in sorted(cache.iterdir()) if package.owns(file.name)]
    for command in [[], *package.downloads()]:
        if command:
            archives, error = download(command, caches[0])
            why = why or error
        for archive in archives:
            try:
                files |= read(archive, wanted - set(files))
                opened.append(archive.name)
            except BROKEN as error:
                why = f"{archive.name}: {error}"
        if wanted <= set(files) or (opened and package.kind == "deb/debian"):
            break
    return files, opened, why


def quotes(files: list[Path]) -> list[Quote]:
    """All sources in the files that name a package."""
    found = []
    for file in files:
        for where, source in told(file):
            if source.how == "package file" and (parts := PACKAGE.fullmatch(source.url)):
                kind, name, version, path = map(unquote, parts.groups())
                found.append((f"{file.name}: {where}", Package(kind, name, version), path, source.evidence))
    return found


def told(file: Path) -> list[tuple[str, Source]]:
    """What a file of claims or of programs says, in short, with each source."""
    text = file.read_text(encoding="utf-8")
    if text.lstrip().startswith("[[program]]"):
        rows = parse_programs(text, file.name)
        return [(" ".join(program.names or program.arguments), source) for program, source in rows]
    return [
        (f"{claim.ports} {claim.name}", source) for claim in parse_claims(text, file.name) for source in claim.sources
    ]


def check(chosen: list[Quote], caches: list[Path]) -> int:
    """Check the quotes, package by package, and give the exit status."""
    packages = defaultdict[Package, list[Quote]](list)
    for quote in chosen:
        packages[quote[1]].append(quote)
    begun, opened, checked, failed = time.monotonic(), 0, 0, 0
    for number, (package, group) in enumerate(sorted(packages.items()), 1):
        title = " ".join(package)
        left = (time.monotonic() - begun) / max(number - 1, 1) * (len(packages) - number + 1) / 60
        print(f"{number}/{len(packages)} {title}, {left:.1f} minutes left", file=sys.stderr)
        files, archives, why = contents(package, {path for _, _, path, _ in group}, caches)
        if archives and not any(map(package.owns, archives)):
            print(title := f"{title} (no longer offered; looked in {archives[0]})", file=sys.stderr)
        opened += bool(archives)
        checked += len(group) if archives else 0
        for where, _, path, evidence in group:
            if not archives:
                print(f"{where}: {title} could not be fetched: {why}")
            elif found := fault(files[path], evidence) if path in files else f"there is no such file {why}".strip():
                failed += 1
                print(f"{where}: {evidence!r} expected in {title} {path}, but {found}")
    sums = f"{checked} package sources checked in {opened} packages, {failed} failed"
    print(f"{sums}, {len(chosen) - checked} could not be fetched")
    return 1 if failed else 0


def main() -> int:
    """Parse the arguments and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="files of claims or programs (default: all)"
    )
    parser.add_argument("--cache", action="append", type=Path, metavar="DIR", help="where archives are kept")
    parser.add_argument("--sample", type=int, metavar="N", help="check only N sources, drawn by chance")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed draws the same sources")
    args = parser.parse_args()
    chosen = quotes(args.files or [*sorted(LORE.glob("claims/*.toml")), *sorted(LORE.glob("programs/*.toml"))])
    if args.sample is not None:
        chosen = random.Random(args.seed).sample(chosen, min(args.sample, len(chosen)))  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="check-claims-") as temporary:
        caches = [cache.absolute() for cache in args.cache or [Path(temporary)]]
        caches[0].mkdir(parents=True, exist_ok=True)
        return check(chosen, caches)


if __name__ == "__main__":
    sys.exit(main())
