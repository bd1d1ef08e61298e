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
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import unquote

from portlore.errors import ParseError
from portlore.lore.schema import parse_claims

CLAIMS = Path(__file__).parent.parent / "src/portlore/lore/claims"
PACKAGE = re.compile(r"pkg:(deb/debian|pypi|npm)/([^@]+)@([^#]+)#(.+)")
LARGEST = 100_000_000  # bytes; a larger package is not downloaded
PATIENCE = 600  # seconds for one download
BROKEN = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


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


class Contents:
    """What was found of the wanted files in the archives of a package."""

    def __init__(self, wanted: set[str]) -> None:
        self.wanted, self.files, self.names = wanted, dict[str, bytes](), set[str]()
        self.links, self.archives, self.error = dict[str, str](), list[str](), ""

    def read(self, archive: Path) -> None:
        """Take the wanted files from one archive; a second look is for those that are links."""
        self.archives.append(archive.name)
        try:
            for _ in range(2):
                if archive.suffix in (".whl", ".zip"):
                    with zipfile.ZipFile(archive) as pages:
                        for name in pages.namelist():
                            with pages.open(name) as stream:
                                self._keep(name, stream, archive.suffix == ".zip")
                elif archive.suffix == ".deb":
                    unpack = ["dpkg-deb", "--fsys-tarfile", archive]
                    with subprocess.Popen(unpack, stdout=subprocess.PIPE) as process:
                        self._read_tar(process.stdout, False)
                else:
                    with gzip.open(archive) as unpacked:
                        self._read_tar(unpacked, True)
                if all(path in self.files or self.follow(path) == path for path in self.wanted):
                    break
        except BROKEN as error:
            self.error = f"{archive.name}: {error}"

    def _read_tar(self, unpacked: IO[bytes] | None, top: bool) -> None:
        with tarfile.open(fileobj=unpacked, mode="r|") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if member.isfile():
                    self._keep(name, tar.extractfile(member), top)
                elif member.issym() or member.islnk():
                    folder = posixpath.dirname(name) if member.issym() else ""
                    self.links[name] = posixpath.normpath(posixpath.join("/", folder, member.linkname)).lstrip("/")

    def _keep(self, name: str, stream: IO[bytes] | None, top: bool) -> None:
        """Note a file, and read it if it is wanted; with ``top`` its first folder may be left out."""
        self.names.add(name)
        called = {name, name.partition("/")[2] if top else name}
        if paths := [path for path in self.wanted if path in called or self.follow(path) in called]:
            data = stream.read() if stream else b""
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            self.files |= dict.fromkeys(paths, data)

    def follow(self, path: str) -> str:
        """Where ``path`` leads when it, or a folder above it, is a link, which may lead to another."""
        for _ in range(5):
            link = next((part for part in (path, *map(str, Path(path).parents)) if part in self.links), "")
            path = self.links[link] + path.removeprefix(link) if link else path
        return path

    def fault(self, path: str, evidence: str) -> str:
        """What is there in place of the evidence; nothing when it stands there."""
        if (data := self.files.get(path)) is None:
            base = posixpath.basename(path).removesuffix(".gz")
            near = sorted(name for name in self.names if posixpath.basename(name).removesuffix(".gz") == base)[:3]
            linked = f" (it is a link to {led})" if (led := self.follow(path)) != path else ""
            return f"there is no such file{linked}; {self.error or f'of that name: {near}'}"
        text, words = b" ".join(data.split()), b" ".join(evidence.encode().split())
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
    result = Contents(wanted)
    for command in [[], *package.downloads()]:
        if command:
            archives, why = download(command, caches[0])
            result.error = result.error or why
        else:
            archives = [file for cache in caches for file in sorted(cache.iterdir()) if package.owns(file.name)]
        for archive in archives:
            result.read(archive)
        if wanted <= set(result.files) or (result.archives and package.kind == "deb/debian"):
            break
    return result


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
        for where, _, path, evidence in group:
            if not found.archives:
                print(f"{where}: {title} could not be fetched: {found.error}")
            elif why := found.fault(path, evidence):
                failed += 1
                print(f"{where}: {evidence!r} expected in {title} {path}, but {why}")
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
