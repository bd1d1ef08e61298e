"""Look every claim's words up again in the package they were taken from.

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
import posixpath
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
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from portlore.errors import ParseError
from portlore.lore.schema import parse_claims

CLAIMS = Path(__file__).parent.parent / "src/portlore/lore/claims"
PACKAGE = re.compile(r"pkg:(deb/debian|pypi|npm)/([^@]+)@([^#]+)#(.+)")
LARGEST = 100_000_000  # bytes; a larger package is not downloaded
PATIENCE = 600  # seconds for one download
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


class Quote(NamedTuple):
    where: str  # the file and the claim
    package: Package
    path: str
    evidence: str


class Contents(NamedTuple):
    files: dict[str, bytes]  # those that were asked for
    names: list[str]  # all there are
    archives: list[str]
    error: str


def read(archive: Path, wanted: set[str]) -> tuple[dict[str, bytes], list[str]]:
    """The wanted files of an archive, and the names of all; the top folder of npm and source archives may be left out."""
    inner: dict[str, str | tarfile.TarInfo] = {}
    with ExitStack() as stack:
        if archive.suffix in (".whl", ".zip"):
            pages = stack.enter_context(zipfile.ZipFile(archive))
            inner |= {name: name for name in pages.namelist()}
        else:
            file = stack.enter_context(tempfile.TemporaryFile() if archive.suffix == ".deb" else archive.open("rb"))
            if archive.suffix == ".deb":
                subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=file, check=True)
                file.seek(0)
            tar = stack.enter_context(tarfile.open(fileobj=file))
            inner |= {member.name.removeprefix("./"): member for member in tar if not member.isdir()}
        if archive.suffix not in (".whl", ".deb"):
            inner |= {name.partition("/")[2]: member for name, member in inner.items()}
        found = {}
        for path in wanted.intersection(inner):
            with suppress(KeyError):  # a link to another package
                member = inner[path]
                stream = pages.open(member) if isinstance(member, str) else tar.extractfile(member)
                data = stream.read() if stream else b""
                found[path] = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        return found, list(inner)


def fault(quote: Quote, found: Contents) -> str:
    """What is there in place of the evidence; nothing when it stands there."""
    if (data := found.files.get(quote.path)) is None:
        base = posixpath.basename(quote.path).removesuffix(".gz")
        near = [name for name in found.names if posixpath.basename(name).removesuffix(".gz") == base]
        return f"it could not be opened; of that name there is {near[:3] or 'none'} {found.error}"
    text, words = b" ".join(data.split()), b" ".join(quote.evidence.encode().split())
    if words in text or words.decode().encode("latin-1", "replace") in text:
        return ""
    pieces = words.split()
    for count in range(len(pieces) - 1, 0, -1):
        if (at := text.find(b" ".join(pieces[:count]))) >= 0:
            return f"the nearest is {text[at : at + len(words) + 40].decode(errors='replace')!r}"
    return f"none of it stands there ({len(data)} bytes)"


def download(command: list[str], cache: Path) -> tuple[list[Path], str]:
    """What the command brought into the cache, or why nothing came; half an archive never gets there."""
    with tempfile.TemporaryDirectory(dir=cache) as folder:

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))

        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, preexec_fn=limit
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return [], str(error)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if re.match(r"(E:|ERROR|npm error)", line)]
            large = re.search("File too large|EFBIG", done.stderr) and f"larger than {LARGEST // 10**6} MB"
            return [], large or (lines or [f"{command[0]} ended with {done.returncode}"])[0]
        return [Path(shutil.move(file, cache / file.name)) for file in Path(folder).iterdir()], ""


def contents(package: Package, wanted: set[str], caches: list[Path]) -> Contents:
    """The wanted files of a package, from the caches or else by download."""
    files, names, opened, why = dict[str, bytes](), list[str](), list[str](), ""
    archives = [file for cache in caches for file in sorted(cache.iterdir()) if package.owns(file.name)]
    for command in [[], *package.downloads()]:
        if command:
            archives, error = download(command, caches[0])
            why = why or error
        for archive in archives:
            try:
                some, all_names = read(archive, wanted)
            except BROKEN as error:
                why = f"{archive.name}: {error}"
            else:
                files, names, opened = some | files, names + all_names, [*opened, archive.name]
        if wanted <= set(files) or (opened and package.kind == "deb/debian"):
            break
    return Contents(files, names, opened, why)


def quotes(files: list[Path]) -> list[Quote]:
    """All sources in the files that name a package."""
    found = []
    for file in files:
        for claim in parse_claims(file.read_text(encoding="utf-8"), file.name):
            for source in claim.sources:
                if source.how == "package file" and (parts := PACKAGE.fullmatch(source.url)):
                    kind, name, version, path = map(unquote, parts.groups())
                    where = f"{file.name}: {claim.ports} {claim.name}"
                    found.append(Quote(where, Package(kind, name, version), path, source.evidence))
    return found


def check(chosen: list[Quote], caches: list[Path]) -> int:
    """Check the quotes, package by package, and give the exit status."""
    packages = defaultdict[Package, list[Quote]](list)
    for quote in chosen:
        packages[quote.package].append(quote)
    begun, opened, checked, failed = time.monotonic(), 0, 0, 0
    for number, (package, group) in enumerate(sorted(packages.items()), 1):
        title = " ".join(package)
        left = (time.monotonic() - begun) / max(number - 1, 1) * (len(packages) - number + 1) / 60
        print(f"{number}/{len(packages)} {title}, {left:.1f} minutes left", file=sys.stderr)
        found = contents(package, {quote.path for quote in group}, caches)
        if other := [archive for archive in found.archives if not package.owns(archive)]:
            title += f" (no longer offered; looked in {other[0]})"
            print(title, file=sys.stderr)
        opened += bool(found.archives)
        checked += len(group) if found.archives else 0
        for quote in group:
            if not found.archives:
                print(f"{quote.where}: {title} could not be fetched: {found.error}")
            elif why := fault(quote, found):
                failed += 1
                print(f"{quote.where}: {quote.evidence!r} expected in {title} {quote.path}, but {why}")
    missing = len(chosen) - checked
    print(f"{checked} package sources checked in {opened} packages, {failed} failed, {missing} could not be fetched")
    return 1 if failed else 0


def main() -> int:
    """Parse the arguments and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="claims files (default: all)")
    parser.add_argument("--cache", action="append", type=Path, metavar="DIR", help="where archives are kept")
    parser.add_argument("--sample", type=int, metavar="N", help="check only N sources, drawn by chance")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed draws the same sources")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="check-claims-") as temporary:
        caches = [cache.absolute() for cache in args.cache or [Path(temporary)]]
        caches[0].mkdir(parents=True, exist_ok=True)
        try:
            chosen = quotes(args.files or sorted(CLAIMS.glob("*.toml")))
        except (OSError, ParseError) as error:
            sys.exit(str(error))
        if args.sample is not None:
            chosen = random.Random(args.seed).sample(chosen, min(args.sample, len(chosen)))  # noqa: S311
        return check(chosen, caches)


if __name__ == "__main__":
    sys.exit(main())
