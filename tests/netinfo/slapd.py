"""A real slapd for tests: on a port of its own, with the schemas that a form needs and ours."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from portlore.netinfo.bridges.schema import schema_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/lib/openldap:/usr/libexec:/usr/bin")
SCHEMAS = Path("/etc/ldap/schema")
needed = pytest.mark.skipif(not SLAPD or not SCHEMAS.is_dir() or not shutil.which("ldapadd"), reason="needs slapd")
SUFFIX, ADMIN, SECRET = "dc=example,dc=com", "cn=admin,dc=example,dc=com", "hush"
STRING, IA5, DN = "1.15", "1.26", "1.12"
APPLE = "1.3.6.1.4.1.63.1000.1.1"
# Names, numbers and syntaxes as Apple documents them (Mac OS X Server, Open Directory Administration, appendix
# "Mac OS X Directory Data"), as far as an export uses them.
APPLE_ATTRIBUTES = (
    ("1.1.6", "apple-user-homeurl", IA5, 1), ("1.1.8", "apple-user-homequota", STRING, 1),
    ("1.1.9", "apple-user-mailattribute", STRING, 1), ("1.1.10", "apple-mcxflags", STRING, 1),
    ("1.1.12", "apple-user-picture", STRING, 1), ("1.1.15", "apple-user-authenticationhint", STRING, 1),
    ("1.1.20", "apple-generateduid", STRING, 1), ("2.16.1", "authAuthority", IA5, 0),
    ("1.14.5", "apple-group-realname", STRING, 0), ("1.8.1", "mountDirectory", STRING, 1),
    ("1.8.2", "mountType", IA5, 1), ("1.8.3", "mountOption", IA5, 0), ("1.8.4", "mountDumpFrequency", IA5, 1),
    ("1.8.5", "mountPassNo", IA5, 1),
)  # fmt: skip
APPLE_CLASSES = (
    ("2.1", "apple-user", "AUXILIARY MAY ( apple-user-homeurl $ apple-user-homequota $ apple-user-mailattribute $ "
     "apple-mcxflags $ apple-user-picture $ apple-user-authenticationhint $ apple-generateduid $ authAuthority )"),
    ("2.14", "apple-group", "AUXILIARY MAY ( apple-group-realname $ apple-generateduid )"),
    ("2.8", "mount", "STRUCTURAL MUST cn MAY ( mountDirectory $ mountType $ mountOption $ mountDumpFrequency $ "
     "mountPassNo )"),
)  # fmt: skip
# What draft-howard-rfc2307bis-02 adds to RFC 2307, as far as an export uses it.
BIS = """
olcAttributeTypes: ( 1.3.6.1.1.1.1.32 NAME 'automountKey' EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
olcAttributeTypes: ( 1.3.6.1.1.1.1.33 NAME 'automountInformation' EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
olcObjectClasses: ( 1.3.6.1.1.1.2.17 NAME 'automount' SUP top STRUCTURAL MUST ( automountKey $ automountInformation ) MAY description )
olcObjectClasses: ( 1.3.6.1.1.1.2.18 NAME 'groupOfMembers' SUP top STRUCTURAL MUST cn MAY member )
"""  # noqa: E501


def _apple_ldif() -> str:
    syntax = "1.3.6.1.4.1.1466.115.121."
    lines = ["dn: cn=apple,cn=schema,cn=config", "objectClass: olcSchemaConfig", "cn: apple"]
    for number, name, kind, single in APPLE_ATTRIBUTES:
        rule = "caseExactIA5Match" if kind == IA5 else "caseExactMatch"
        once = " SINGLE-VALUE" if single else ""
        lines.append(
            f"olcAttributeTypes: ( {APPLE}.{number} NAME '{name}' EQUALITY {rule} SYNTAX {syntax}{kind}{once} )"
        )
    lines.append("olcObjectClasses: ( 1.2.840.113556.1.3.23 NAME 'container' SUP top STRUCTURAL MUST cn )")
    lines += [
        f"olcObjectClasses: ( {APPLE}.{number} NAME '{name}' SUP top {how} )" for number, name, how in APPLE_CLASSES
    ]
    return "\n".join(lines) + "\n"


def _schemas(kind: str) -> str:
    nis = (SCHEMAS / "nis.ldif").read_text()
    parts = [(SCHEMAS / f"{name}.ldif").read_text() for name in ("core", "cosine", "inetorgperson")]
    if kind == "rfc2307bis":
        nis = re.sub(r"\n ", "", nis)
        nis = re.sub(r"(NAME 'posixGroup'.*?SUP top )STRUCTURAL", r"\1AUXILIARY", nis)
        nis = nis.rstrip("\n") + BIS
    parts += [nis, (SCHEMAS / "misc.ldif").read_text()]
    if kind == "apple":
        parts.append(_apple_ldif())
    return "\n\n".join(re.sub(r"(?m)^#.*\n", "", part).strip() for part in parts)


class Slapd:
    """A running slapd."""

    def __init__(self, folder: Path, port: int, tls_port: int) -> None:
        self.folder, self.port, self.url = folder, port, f"ldap://127.0.0.1:{port}"
        self.tls_url, self.certificate = f"ldaps://localhost:{tls_port}", folder / "cert.pem"

    def run(self, program: str, *words: str, given: str = "", fine: bool = True) -> str:
        """What a client of OpenLDAP's says, as the administrator."""
        command = [program, "-x", "-H", self.url, "-D", ADMIN, "-w", SECRET, *words]
        done = subprocess.run(
            command, input=given.encode("utf-8", "surrogateescape"), capture_output=True, timeout=120, check=False
        )
        if fine:
            assert done.returncode == 0, done.stderr.decode()[-2000:]
        return done.stdout.decode("utf-8", "surrogateescape")

    def add(self, ldif: str) -> None:
        """ldapadd."""
        self.run("ldapadd", given=ldif)

    def dump(self, base: str = SUFFIX) -> str:
        """ldapsearch of all that is below a name."""
        return self.run("ldapsearch", "-LLL", "-b", base, "-E", "pr=500/noprompt")

    def remove(self, base: str = SUFFIX) -> None:
        """ldapdelete of all that is below a name, and of it."""
        self.run("ldapdelete", "-r", base)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


@contextmanager
def running(kind: str = "rfc2307") -> Iterator[Slapd]:
    """A slapd with the schemas of a form, empty, on loopback."""
    assert SLAPD
    with tempfile.TemporaryDirectory(prefix="portlore-slapd-") as name:
        folder = Path(name)
        for part in ("config", "data"):
            (folder / part).mkdir()
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        where = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "2", *curve, *names, *where], check=True, capture_output=True
        )
        config = f"""dn: cn=config
objectClass: olcGlobal
cn: config
olcTLSCertificateFile: {folder}/cert.pem
olcTLSCertificateKeyFile: {folder}/key.pem

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

{_schemas(kind)}

dn: olcDatabase=config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: config
olcRootDN: cn=admin,cn=config
olcRootPW: {SECRET}

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcDbDirectory: {folder}/data
olcSuffix: {SUFFIX}
olcRootDN: {ADMIN}
olcRootPW: {SECRET}
olcDbNoSync: TRUE
olcDbMaxSize: 268435456
olcSizeLimit: size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited
"""
        (folder / "config.ldif").write_text(config)
        made = subprocess.run(
            ["slapadd", "-n", "0", "-F", str(folder / "config"), "-l", str(folder / "config.ldif")],
            capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/usr/bin:/bin"},
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        server = Slapd(folder, _free_port(), _free_port())
        urls = f"ldap://127.0.0.1:{server.port} {server.tls_url.replace('localhost', '127.0.0.1')}"
        log = (folder / "log").open("wb")
        process = subprocess.Popen([SLAPD, "-F", str(folder / "config"), "-h", urls, "-d", "0"], stderr=log, stdout=log)
        try:
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None, (folder / "log").read_text()
                try:
                    socket.create_connection(("127.0.0.1", server.port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            words = ["-x", "-H", server.url, "-D", "cn=admin,cn=config", "-w", SECRET]
            added = subprocess.run(
                ["ldapadd", *words], input=schema_ldif(), text=True, capture_output=True, check=False
            )
            assert added.returncode == 0, added.stderr
            yield server
        finally:
            process.terminate()
            process.wait(60)
            log.close()
