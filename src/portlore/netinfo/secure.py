"""Edge: this server's key, and TLS 1.3 on connections between Portlore's servers (see :mod:`portlore.netinfo.channel`).

One key for all domains of a process, with its certificate in a file that is the owner's alone. Certificates are signed
by themselves and never expire; which of them is believed, the domain says.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
from time import monotonic

from portlore.errors import HostError, PolicyRefused, ProtocolError
from portlore.extras import Extra
from portlore.files import write_new
from portlore.netinfo import channel
from portlore.netinfo.channel import ALPN
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call
from portlore.oncrpc.records import RecordReader, marked
from portlore.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.netinfo.domain import Domain
    from portlore.netinfo.talking import Talk

FILE = "portlore-netinfo.pem"
HANDSHAKE, PARTING = 10.0, 1.0  # seconds for a handshake, and for the other side's goodbye
STRANGERS = 64  # connections of callers without a known key that may have TLS: each holds 256 KB
REPLICAS = Extra("replicas", "cryptography", ("cryptography>=43",), 5)  # to make a key; it is used without


class Own(Value):
    """This server's key: its file, its certificate (DER), what it is called."""

    path: str
    certificate: bytes
    name: str


def read_key(path: str) -> Own | None:
    """The key in a file, ``None`` without one; :class:`HostError` for a file that others may read, or that has none."""
    asked = f"reading the key {path}"
    try:
        found = os.stat(path)  # noqa: PTH116
        if stat.S_IMODE(found.st_mode) & 0o077 and os.name == "posix":
            raise HostError(asked, "others may read it", f"chmod 600 {path}")
        with open(path, encoding="ascii") as file:  # noqa: PTH123
            text = file.read(1 << 16)
        _context(ssl.PROTOCOL_TLS_SERVER, path)
        begin = text.index(ssl.PEM_HEADER)
        certificate = ssl.PEM_cert_to_DER_cert(text[begin : text.index(ssl.PEM_FOOTER, begin)] + ssl.PEM_FOOTER + "\n")
    except FileNotFoundError:
        return None
    except (ssl.SSLError, ValueError) as error:
        raise HostError(asked, f"no key with its certificate: {error}", "move it away: another is made") from None
    except OSError as error:
        raise HostError(asked, error.strerror or str(error), "let the server's user read it") from None
    return Own(path, certificate, channel.fingerprint(certificate))


def make_key(path: str) -> Own:
    """A new key in a file, or the one that another process has put there meanwhile.

    :class:`HostError` without the extra ``replicas``, or where nothing can be written.
    """
    asked = f"making the key {path}"
    try:
        import datetime

        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise HostError(
            asked, "the package cryptography is not there", f"run: portlore netinfo key --new --key {path}"
        ) from None
    made = Ed25519PrivateKey.generate()
    public = made.public_key()
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    # OpenSSL looks for who is trusted by this name, and at one of that name only: each key has its own.
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, channel.named(spki))])
    builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number())
    builder = builder.not_valid_before(datetime.datetime(2000, 1, 1))  # noqa: DTZ001 - machines without a clock begin later
    builder = builder.not_valid_after(datetime.datetime(9999, 12, 31, 23, 59, 59))  # noqa: DTZ001 - RFC 5280, 4.1.2.5
    certificate = builder.sign(made, None)
    form, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    data = made.private_bytes(form, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(form)
    try:
        write_new(path, data, 0o600)
    except OSError as error:
        do = "let the server write there, or name another --key"
        raise HostError(asked, error.strerror or str(error), do) from None
    found = read_key(path)
    if found is None:
        raise HostError(asked, "it went away again", "see who removes it")
    return found


def _context(protocol: int, path: str) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    if path:
        context.load_cert_chain(path)
    return context


class Keyring:
    """The key of this process, as far as there is one, and who is known. ``log`` takes a line.

    ``plain``: no TLS is spoken at all. ``obtain`` is called before a key is made, to have what that takes.
    """

    def __init__(
        self,
        path: str,
        log: Callable[[str], None],
        *,
        plain: bool = False,
        obtain: Callable[[], None] | None = None,
    ) -> None:
        self.path, self.plain, self._log, self._obtain = path, plain, log, obtain
        self.own: Own | None = None
        self.strangers: dict[Talk, None] = {}  # who has TLS without a known key, the longest there first
        self._told = self._news = ""
        self._known: tuple[bytes, ...] | None = None
        self._server: ssl.SSLContext | None = None

    def load(self) -> None:
        """Take the key, if there is one; :class:`HostError` for one that is not in order."""
        if self.own is None and not self.plain:
            self._take(read_key(self.path))

    def ensure(self) -> Own | None:
        """The key, made where there was none; ``None`` where that cannot be, which :meth:`tell` says."""
        if self.plain:
            self._say("channel=plain (--plain): what servers send one another can be read on the way")
        elif self.own is None:
            try:
                found = read_key(self.path)
                if found is None and self._obtain is not None:
                    self._obtain()
                self._take(found or make_key(self.path))
            except HostError as error:
                self._say(f"channel=plain ({error})")
        return self.own

    def _take(self, own: Own | None) -> None:
        if own is not None:
            self.own = own
            self._say(f"channel=tls1.3 key={own.name} file={own.path}")

    def _say(self, text: str) -> None:
        self._news = text

    def tell(self) -> None:
        """Log what channel there is, when that is news."""
        if self._news != self._told:
            self._told = self._news
            self._log(self._told)

    def serving(self, domain: Domain) -> ssl.SSLContext | None:
        """How to talk TLS to callers, who may show the certificates that a domain holds; ``None`` without a key."""
        if self.own is None:
            return None
        known = channel.certificates(domain)
        if self._server is None or known != self._known:
            made = _context(ssl.PROTOCOL_TLS_SERVER, self.own.path)
            made.num_tickets = 0  # sessions are not resumed: who calls shows its key anew
            made.verify_mode = ssl.CERT_OPTIONAL
            for one in known:
                try:
                    made.load_verify_locations(cadata=one)
                except (ssl.SSLError, ValueError):  # what somebody wrote there; the others still count
                    continue
            self._server, self._known = made, known
        return self._server

    def calling(self, *, showing: bool) -> ssl.SSLContext:
        """How to talk TLS to servers, ``showing`` our certificate or not. Whose key theirs is, is looked at later."""
        made = _context(ssl.PROTOCOL_TLS_CLIENT, self.own.path if showing and self.own is not None else "")
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made


# As a server


async def seal(talk: Talk, xid: int, keyring: Keyring, context: ssl.SSLContext, log: Callable[[str], None]) -> None:
    """Answer a call for TLS, then speak nothing else on its connection; what fails ends it, with a line."""
    raw = talk.transport
    if raw is None:
        return
    raw.write(marked(channel.offer(xid)))
    _admit(talk, keyring)
    try:
        made = await asyncio.get_running_loop().start_tls(
            raw,
            talk,
            context,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE,
            ssl_shutdown_timeout=PARTING,
        )
        if made is not None and made.get_extra_info("ssl_object").selected_alpn_protocol() != ALPN:
            raise ConnectionAbortedError(f"it does not say that it will speak {ALPN}")
    except OSError as error:  # ssl.SSLError and TimeoutError as well
        made = None
        log(f"{talk.caller.address}:{talk.caller.port} no channel: {_why(error)}")
    if made is None:  # or it went away meanwhile
        raw.abort()
        talk.connection_lost(None)
        return
    certificate = made.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if certificate:
        keyring.strangers.pop(talk, None)
    talk.sealed(made, channel.fingerprint(certificate) if certificate else "")
    raw.resume_reading()  # more may have come meanwhile than is listened to


def _admit(talk: Talk, keyring: Keyring) -> None:
    """Count who wants TLS among the strangers; the one who has been there longest makes room."""
    for one in [one for one in keyring.strangers if one.gone.is_set()]:
        del keyring.strangers[one]
    if len(keyring.strangers) >= STRANGERS:
        oldest = next(iter(keyring.strangers))
        del keyring.strangers[oldest]
        oldest.drop()
    keyring.strangers[talk] = None


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "it shows a key that the domain does not have"
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return str(error) or "it took too long"


# As a caller


class Sealing:
    """How connections to one server are made: through TLS where that has it. Each call makes one, on any thread.

    ``known``: the keys that are pinned for it; ``key``: the one that it had, empty in the clear; ``shown``: whether
    it took ours; ``word``: for a log.
    """

    def __init__(self, keyring: Keyring, known: frozenset[str], who: str, *, showing: bool = True) -> None:
        self._keyring, self._known, self._who, self._showing = keyring, known, who, showing
        self.key, self.shown, self.word = "", False, ""

    @property
    def is_first_use(self) -> bool:
        """Whether its key is believed because it came first."""
        return bool(self.key) and not self._known

    @property
    def has_key(self) -> bool:
        """Whether there is a key to show."""
        return self._showing and self._keyring.own is not None

    def __call__(self, connect: Callable[[], socket.socket], deadline: float) -> socket.socket:
        """A connection that is ready for calls; :class:`PolicyRefused` where a pinned key is not met."""
        if self._keyring.plain:
            self.key, self.shown, self.word = "", False, "channel=plain (--plain)"
            return connect()
        if self.has_key:
            try:
                return self._sealed(connect(), deadline, showing=True)
            except (ssl.SSLError, ConnectionError):
                if monotonic() >= deadline:
                    raise  # it hung up on our key, as who does not know it does: once more without
        return self._sealed(connect(), deadline, showing=False)

    def _sealed(self, line: socket.socket, deadline: float, *, showing: bool) -> socket.socket:
        asked = f"an encrypted channel to {self._who}"
        try:
            xid = int.from_bytes(os.urandom(4), "big")
            if not channel.offers(_exchange(line, channel.probe(xid), deadline), xid):
                self._decide(None)
                self.shown = False
                return line
            line.settimeout(max(deadline - monotonic(), 0.001))
            line = self._keyring.calling(showing=showing).wrap_socket(line)
            if line.selected_alpn_protocol() != ALPN:
                raise ProtocolError(asked, "another protocol in it", "see what runs there")
            self._decide(channel.fingerprint(line.getpeercert(binary_form=True) or b""))
            # TLS 1.3 tells a caller that its certificate is not taken only after the handshake.
            call = Call(xid, channel.PROGRAM, channel.VERSION, 0, NOBODY, NOBODY, b"")
            if decode_reply(_exchange(line, encode_call(call), deadline)).accepted != SUCCESS:
                raise ProtocolError(asked, "no server of NetInfo in it", "see what runs there")
        except BaseException:
            line.close()
            raise
        self.shown = showing
        return line

    def _decide(self, key: str | None) -> None:
        found = channel.standing(self._known, key)
        if not found.goes:
            do = "see who answers there; if it is meant so, correct portlore_key of its machine, or make the clone anew"
            raise PolicyRefused(f"calling {self._who}", found.word, do)
        self.key = key or ""
        why = f" ({found.word})" if found.word else ""
        self.word = f"channel=tls1.3 key={self.key}{why}" if found.sealed else f"channel=plain{why}"


def _exchange(line: socket.socket, record: bytes, deadline: float) -> bytes:
    """The reply to the first record on a connection; :class:`ProtocolError` where more comes than that."""
    line.settimeout(max(deadline - monotonic(), 0.001))
    line.sendall(marked(record))
    reader = RecordReader(1 << 10)
    while True:
        line.settimeout(max(deadline - monotonic(), 0.001))
        data = line.recv(1 << 10)
        if not data:
            raise ConnectionResetError("the server hung up")
        found = reader.feed(data)
        if len(found) > 1 or (found and reader.held):  # in the clear, and to be taken for what came sealed
            raise ProtocolError("asking for an encrypted channel", "more than was asked for", "see what runs there")
        if found:
            return found[0]
