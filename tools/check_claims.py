"""Look every claim's words up again in the package they were taken from.

    python tools/check_claims.py [--cache DIR]… [--sample N --seed S] [FILE…]

A source whose ``how`` is "package file" names a Debian, PyPI or npm package, a version, a file in it, and the words that
stand there. Each package is downloaded once (apt-get, pip, npm), the file opened and the words searched, with white
space folded. A line is printed for each source that does not hold, and a sum at the end; exit 1 when one failed. Several
``--cache`` folders may be given: archives are looked for in all, and new ones go to the first. Nothing is installed, but
pip runs a source archive's own build script to learn its name: use a machine where that does no harm.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import unquote

from portlore.errors import ParseError
from portlore.lore.schema import parse_claims

CLAIMS = Path(__file__).parent.parent / "src/portlore/lore/claims"
LARGEST = 100_000_000  # bytes; a larger package is not downloaded
PATIENCE = 600  # seconds for one download
BROKEN = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


class Package(NamedTuple):
    kind: str  # deb/debian, pypi or npm
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.version}"

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


@dataclass
class Contents:
    files: dict[str, bytes] = field(default_factory=dict)  # those that were asked for
    names: set[str] = field(default_factory=set)  # all there are
    links: dict[str, str] = field(default_factory=dict)
    archives: list[Path] = field(default_factory=list)
    error: str = ""

    def keep(self, name: str, stream: IO[bytes] | None, wanted: set[str], top: bool) -> None:
        """Note a file, and read it if it is wanted; with ``top`` its first folder may be left out."""
        self.names.add(name)
        for alias in {name, name.partition("/")[2] if top else name} & wanted:
            data = stream.read() if stream else b""
            self.files[alias] = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data

    def follow(self, path: str) -> str:
        """Where ``path`` leads when it, or a folder above it, is a link."""
        for link in (path, *map(str, Path(path).parents)):
            if link in self.links:
                return posixpath.normpath(self.links[link] + path.removeprefix(link))
        return path

    def read(self, archive: Path, wanted: set[str]) -> None:
        """Take the wanted files from one archive."""
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as pages:
                for info in pages.infolist():
                    with pages.open(info) as stream:
                        self.keep(info.filename, stream, wanted, archive.suffix == ".zip")
        elif archive.suffix == ".deb":
            unpack = ["dpkg-deb", "--fsys-tarfile", str(archive)]
            with subprocess.Popen(unpack, stdout=subprocess.PIPE) as process:
                self._read_tar(tarfile.open(fileobj=process.stdout, mode="r|"), wanted, False)  # noqa: SIM115
        else:
            self._read_tar(tarfile.open(archive, "r|*"), wanted, True)  # noqa: SIM115
        self.archives.append(archive)

    def _read_tar(self, tar: tarfile.TarFile, wanted: set[str], top: bool) -> None:
        with tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if member.isfile():
                    self.keep(name, tar.extractfile(member), wanted, top)
                elif member.issym() or member.islnk():
                    folder = posixpath.dirname(name) if member.issym() else ""
                    self.links[name] = posixpath.normpath(posixpath.join("/", folder, member.linkname)).lstrip("/")


def download(command: list[str], cache: Path) -> tuple[list[Path], str]:
    """What the command brought into the cache, or why nothing came; half an archive never gets there."""
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        try:
            limit = (LARGEST, LARGEST)
            subprocess.run(
                command, cwd=folder, check=True, capture_output=True, text=True, timeout=PATIENCE,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            lines = [line for line in error.stderr.splitlines() if re.match(r"(E:|ERROR|npm error)", line)]
            return [], lines[0] if lines else f"{command[0]} ended with {error.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            return [], str(error)
        return [Path(shutil.move(file, cache / file.name)) for file in Path(folder).iterdir()], ""


def contents(package: Package, wanted: set[str], caches: list[Path]) -> Contents:
    """The wanted files of a package, from the caches or else by download."""
    result = Contents()
    archives = [file for cache in caches for file in sorted(cache.iterdir()) if package.owns(file.name)]
    for command in [[], *package.downloads()]:
        if command and not (package.kind == "deb/debian" and result.archives):
            archives, why = download(command, caches[0])
            result.error = result.error or why
        for archive in archives:
            try:
                result.read(archive, wanted - set(result.files))
                for _ in range(3):  # a link may lead to a link
                    targets = {path: result.follow(path) for path in wanted - set(result.files)}
                    if again := {target for path, target in targets.items() if target != path}:
                        result.read(archive, again)
                        result.files |= {p: result.files[t] for p, t in targets.items() if t in result.files}
            except BROKEN as error:
                result.error = f"{archive.name}: {error}"
        archives = []
        if wanted <= set(result.files):
            break
    return result


def fold(data: bytes) -> bytes:
    return b" ".join(data.split())


def fault(quote: Quote, found: Contents) -> str:
    """What is there in place of the evidence; nothing when it stands there."""
    if (data := found.files.get(quote.path)) is None:
        base = posixpath.basename(quote.path).removesuffix(".gz")
        near = sorted(name for name in found.names if posixpath.basename(name).removesuffix(".gz") == base)[:3]
        led = found.follow(quote.path)
        linked = f", but a link to {led}, which is in another package" if led != quote.path else ""
        return f"there is no such file{linked}{'; there is ' if near else ''}{', '.join(near)}"
    text, words = fold(data), fold(quote.evidence.encode())
    if words in text or fold(quote.evidence.encode("latin-1", "replace")) in text:
        return ""
    pieces = words.split()
    for count in range(len(pieces) - 1, 0, -1):
        if (at := text.find(b" ".join(pieces[:count]))) >= 0:
            return f"the nearest is {text[at : at + len(words) + 40].decode(errors='replace')!r}"
    return f"none of it stands there ({len(data)} bytes)"


def quotes(files: list[Path]) -> list[Quote]:
    """All sources in the files that name a package."""
    found = []
    for file in files:
        for claim in parse_claims(file.read_text(encoding="utf-8"), file.name):
            for source in claim.sources:
                if source.how == "package file" and (parts := re.match(r"pkg:(.+)/(.+?)@(.+?)#(.+)", source.url)):
                    kind, name, version, path = parts.groups()
                    if kind.startswith("npm/"):  # a scope is part of the name
                        kind, name = "npm", f"{kind[4:]}/{name}"
                    package = Package(kind, unquote(name), unquote(version))
                    where = f"{file.name}: {claim.ports} {claim.name}"
                    found.append(Quote(where, package, unquote(path), source.evidence))
    return found


def check(chosen: list[Quote], caches: list[Path]) -> int:
    """Check the quotes, package by package, and give the exit status."""
    packages = defaultdict[Package, list[Quote]](list)
    for quote in chosen:
        packages[quote.package].append(quote)
    begun, opened, checked, failed, missing = time.monotonic(), 0, 0, 0, 0
    for number, (package, group) in enumerate(sorted(packages.items()), 1):
        left = (time.monotonic() - begun) / (number - 1) * (len(packages) - number + 1) if number > 1 else 0
        print(f"{number}/{len(packages)} {package}, {left / 60:.1f} minutes left", file=sys.stderr)
        found = contents(package, {quote.path for quote in group}, caches)
        opened += bool(found.archives)
        other = [archive.name for archive in found.archives if not package.owns(archive.name)]
        note = f" (no longer offered; looked in {other[0]})" if other else ""
        if note:
            print(f"{package}{note}", file=sys.stderr)
        for quote in group:
            if not found.archives:
                missing += 1
                print(f"{quote.where}: {package} could not be fetched: {found.error}")
                continue
            checked += 1
            if why := fault(quote, found):
                failed += 1
                print(f"{quote.where}: {quote.evidence!r} expected in {package}{note} {quote.path}, but {why}")
    print(
        f"{checked} package sources checked in {opened} packages, {failed} failed, {missing} could not be fetched",
    )
    return 1 if failed else 0


def main() -> int:
    """Parse the arguments and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="claims files (default: all)")
    parser.add_argument("--cache", action="append", type=Path, metavar="DIR", help="where archives are kept")
    parser.add_argument("--sample", type=int, metavar="N", help="check only N sources, drawn by chance")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed draws the same sources")
    args = parser.parse_args()
    try:
        chosen = quotes(args.files or sorted(CLAIMS.glob("*.toml")))
    except (OSError, ParseError) as error:
        sys.exit(str(error))
    if args.sample is not None:
        chosen = random.Random(args.seed).sample(chosen, min(args.sample, len(chosen)))  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="check-claims-") as temporary:
        caches = [cache.absolute() for cache in args.cache or [Path(temporary)]]
        for cache in caches:
            cache.mkdir(parents=True, exist_ok=True)
        return check(chosen, caches)


if __name__ == "__main__":
    sys.exit(main())
