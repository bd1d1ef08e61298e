"""Edge: a NetInfo host: its domains, the binder that names their ports, a port mapper that names the binder's.

On a machine without rpcbind the port mapper is our own. As root, everything takes ports below 1024, as clients of old
believe only those.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time

from portlore.errors import HostError, PortloreError
from portlore.netinfo import binder as nibind
from portlore.netinfo.access import RESERVED, Caller
from portlore.netinfo.answering import PROGRAM, VERSION, Policy, Service
from portlore.netinfo.binder import Binder, Cloning, Outside, Registration
from portlore.netinfo.cloning import make_clone, replica
from portlore.netinfo.coding import first_values
from portlore.netinfo.embedded import EmbeddedPortMapper
from portlore.netinfo.embedded import register as register_with
from portlore.netinfo.embedded import unregister as unregister_with
from portlore.netinfo.guests import Guests
from portlore.netinfo.history import Recorder
from portlore.netinfo.making import minimal_domain
from portlore.netinfo.parents import Parent
from portlore.netinfo.passwords import matches
from portlore.netinfo.replicating import Server, clones
from portlore.netinfo.server import (
    Connection,
    Datagrams,
    Limits,
    Plain,
    PlainDatagrams,
    Serving,
    serve_pair,
)
from portlore.netinfo.sockets import bound
from portlore.netinfo.store import Store
from portlore.netinfo.storing import open_store, share
from portlore.netinfo.surroundings import addresses, ask_udp, connections, is_nobody, is_root, is_within
from portlore.netinfo.values import ROOT
from portlore.oncrpc import portmap
from portlore.oncrpc.message import NOBODY, SUCCESS, Call, decode_reply, encode_call
from portlore.oncrpc.portmap import Indirect, Mapping
from portlore.oncrpc.xdr import opaque, uint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portlore.netinfo.cloning import Cloning as Cloner
    from portlore.netinfo.pushing import Pushing
    from portlore.netinfo.secure import Keyring
    from portlore.netinfo.sockets import Pair
    from portlore.netinfo.storing import AnyStore

FIRST, COUNT = 600, 424  # the reserved ports that servers take, beginning at their process number (SPEC 4)
SILENCE = 5.0  # seconds for which a server that did not answer is not asked again
PARTING = 2.0  # seconds that clients have to read their last answers
SUFFIX = ".nidb"


class Domained:
    """A domain that is being served, and what has to be closed."""

    def __init__(
        self,
        tag: str,
        store: AnyStore,
        serving: Serving,
        server: asyncio.Server,
        datagrams: asyncio.DatagramTransport,
        port: int,
    ) -> None:
        self.tag, self.store, self.serving = tag, store, serving
        self.server, self.datagrams, self.port = server, datagrams, port
        self.replica: Cloner | Pushing | None = None


class Host:
    """Everything that one process serves.

    ``address``: where it listens. ``folder``: where domains that clients create are put. ``log`` takes a line.
    ``given``: sockets that are bound already: of the port mapper where it has port 111, of the binder, of each domain.
    ``keyring``: for the encrypted channel between servers; without it there is none.
    """

    def __init__(
        self,
        address: str,
        folder: str,
        policy: Policy,
        log: Callable[[str], None],
        given: Sequence[Pair] = (),
        keyring: Keyring | None = None,
    ) -> None:
        self.address, self.folder, self.policy, self.log = address, folder, policy, log
        self._given, self._keyring = list(given), keyring
        self.hostname = socket.gethostname().partition(".")[0].encode()
        self.domains: dict[str, Domained] = {}
        self.binder: Binder | None = None
        self.mapper: EmbeddedPortMapper | None = None
        self.binder_port = 0
        self._closing: list[asyncio.Server | asyncio.DatagramTransport] = []
        self._foreign_mapper = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = os.getpid() % COUNT
        room = connections()
        self._guests, self._binders_guests = Guests(room - room // 4), Guests(room // 4)
        self._silent: dict[int, float] = {}  # ports whose servers do not answer, and until when they are not asked

    # Domains

    async def serve(self, tag: str, path: str, port: int = -1) -> Domained:
        """Serve a domain on a port (0: any; below 0: a reserved one as root, any otherwise)."""
        store = open_store(path, domain=tag)
        try:
            service = Service(store.load(), tag.encode(), matches, self.policy, self.hostname)
            parent = Parent(service)
            service.parent_of, service.binding_of = parent.server, parent.binding
            service.audit = lambda text: self.log(f"write tag={tag} {text}")
            serving = Serving(service, store if isinstance(store, Store) else None, self.log, Limits(), self._guests)
            store.keep(self.policy.history)
            if self.policy.history:
                service.history = Recorder(time.time)
            serving.keyring = self._keyring
            if self._keyring is not None:
                self._keyring.load()
                if store.is_clone or clones(service.domain, self._is_here, tag.encode()):
                    await asyncio.to_thread(self._keyring.ensure)  # before anybody could be told that there is none
            pair = self._take(port)
            await share(serving, store, f"{self.address}:{pair.port}/{tag}")
            server, datagrams = await serve_pair(pair, lambda: Connection(serving), lambda: Datagrams(serving))
        except PortloreError:
            store.close()
            raise
        number = pair.port
        store.tell(f"{'127.0.0.1' if self.address == '0.0.0.0' else self.address}:{number}/{tag}")  # noqa: S104
        made = self.domains[tag] = Domained(tag, store, serving, server, datagrams, number)
        if self.binder is not None:
            self.binder.register(Registration(tag.encode(), number, number))
        made.replica = replica(serving, self._is_here, self.is_own, self.address, is_clone=store.is_clone)
        kind = " clone" if service.following is not None else ""
        self.log(f"serving tag={tag} path={store.path} address={self.address} port={number}{kind}")
        if self._keyring is not None:
            self._keyring.tell()
        made.replica.start()
        seeking = parent.follow(self.address, lambda: self.domains.get(tag) is made, self.log)
        task = asyncio.get_running_loop().create_task(seeking)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made

    def _take(self, port: int = -1) -> Pair:
        """The sockets of a port: the next that were given, or our own (as :meth:`serve` says)."""
        if self._given:
            return self._given.pop(0)
        return bound(self.address, self._ports() if port < 0 else [port])

    def _ports(self) -> list[int]:
        """The ports to try: reserved ones where we may, each server its own, then any."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            try:
                trial.bind((self.address, FIRST + COUNT - 1))
            except PermissionError:  # neither root nor CAP_NET_BIND_SERVICE
                return [0]
            except OSError:  # taken, or not our address: the others will tell
                pass
        self._next += 1
        return [*(FIRST + (self._next + step) % COUNT for step in range(COUNT)), 0]

    # Binder and port mapper

    async def bind(self, mapper_port: int = portmap.PORT) -> None:
        """Start the binder, and have a port mapper name it: our own, or rpcbind where that runs."""
        mapper = EmbeddedPortMapper(self.address, mapper_port, self._passed_on, self.is_own)
        theirs = self._given.pop(0) if self._given and self._given[0].port == mapper_port else None
        try:
            await mapper.start(theirs)
            self.mapper = mapper
        except HostError:  # its port is taken, or not ours to take
            self._foreign_mapper = True
        # Root's password by the network, inverted and tried as often as one likes: only where all is as it was.
        root_password = is_root if self.policy.classic else is_nobody
        # NeXTSTEP's binder does not ask whether a server lives, and knows no aliases.
        alive, alias = self._alive, self._alias
        if self.policy.nextstep:
            alive, alias = (lambda *_: True), (lambda *_: None)
        outside = Outside(alive, self._bind, self._create, self._destroy, root_password, alias, self._create_clone)
        # Another port mapper may pass calls on from anywhere, from a port below 1024: then UDP is nobody's word.
        self.binder = Binder(outside, udp_register=not self._foreign_mapper)
        pair = self._take()
        self.binder_port = pair.port
        self._closing += await serve_pair(
            pair,
            lambda: Plain(self._answer, self.is_own, self._binders_guests),
            lambda: PlainDatagrams(self._answer, self.is_own),
        )
        self.log(f"binder address={self.address} port={self.binder_port}")

    async def announce(self) -> None:
        """Have the port mapper name the binder, once the domains are served: who asked before would find none."""
        if self.mapper is not None:
            for one in self._mappings():
                self.mapper.table.set(one)
            self.log(f"port mapper: our own, address={self.address} port={self.mapper.port}")
            return
        try:
            await asyncio.to_thread(register_with, self._mappings())
        except PortloreError as error:
            self._foreign_mapper = False
            self.log(f"no port mapper knows the binder: {error}; clients need the binder's port")
            return
        self.log("port mapper: registered with the one that runs here; for machines that seek a parent by broadcast "
                 "it must pass calls on (rpcbind -r)")  # fmt: skip

    def _mappings(self) -> list[Mapping]:
        return [Mapping(nibind.PROGRAM, nibind.VERSION, kind, self.binder_port) for kind in (portmap.UDP, portmap.TCP)]

    def _answer(self, caller: Caller, record: bytes, udp: bool) -> bytes | None:
        return None if self.binder is None else self.binder.answer(caller, record, udp=udp)

    def _passed_on(self, caller: Caller, one: Indirect) -> tuple[int, bytes] | None:
        """A CALLIT of the binder: it has the rights of who asks, never this machine's."""
        if self.binder is None or one.program != nibind.PROGRAM:
            return None
        call = Call(1, one.program, one.version, one.procedure, NOBODY, NOBODY, one.arguments)
        stranger = caller.replace(local=False, port=max(caller.port, RESERVED), credential=NOBODY)
        reply = self.binder.answer(stranger, encode_call(call), udp=True)
        if reply is None:
            return None
        told = decode_reply(reply)
        return (self.binder_port, told.results) if told.accepted == SUCCESS else None

    def is_own(self, address: str) -> bool:
        """Whether an address is this machine's."""
        return address.startswith("127.") or address == self.address or address in addresses()

    def _is_here(self, address: str) -> bool:
        """Whether a server at an address would be this one: another address of this machine may have its own."""
        return address == self.address or (self.address == "0.0.0.0" and self.is_own(address))  # noqa: S104

    # What the binder needs of the world

    def _alive(self, tag: bytes, udp_port: int) -> bool:
        if any(one.port == udp_port for one in self.domains.values()):
            return True
        return self._ask(udp_port, Call(1, PROGRAM, VERSION, 0, NOBODY, NOBODY, b"")) is not None

    def _ask(self, port: int, call: Call) -> bytes | None:
        """Ask a server on this machine that is not ours; a silent one holds us up now and then, not each time."""
        now = time.monotonic()
        if self._silent.get(port, 0.0) > now:
            return None
        reply = ask_udp(port, call)
        if reply is None:
            self._silent = {old: until for old, until in self._silent.items() if until > now}
            self._silent[port] = now + SILENCE
        return reply

    def _bind(self, tag: bytes, client_tag: bytes, client_address: int) -> bool:
        call = Call(1, PROGRAM, VERSION, 24, NOBODY, NOBODY, opaque(client_tag) + uint(client_address))
        one = self.domains.get(tag.decode("utf-8", "replace"))
        if one is not None:
            reply = one.serving.service.answer(Caller("127.0.0.1", 0, local=True), encode_call(call), udp=True)
        else:
            port = self.binder.registered[tag].udp_port if self.binder and tag in self.binder.registered else 0
            reply = self._ask(port, call) if port else None
        return reply is not None and decode_reply(reply).accepted == SUCCESS

    def _create(self, tag: bytes) -> bool:
        """A new domain of a tag, served as soon as its file is there."""
        name = tag.decode("utf-8", "replace")
        path = os.path.join(self.folder, name + SUFFIX)  # noqa: PTH118
        if os.path.exists(path):  # noqa: PTH110
            return False
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)  # noqa: PTH103
            with Store(path, create=True) as store:
                store.write_all(minimal_domain(name, self.hostname.decode(), self.address))
        except (PortloreError, OSError) as error:
            self.log(f"domain {name} cannot be made: {error}")
            return False
        task = asyncio.get_running_loop().create_task(self._start(name, path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _start(self, tag: str, path: str) -> None:
        try:
            await self.serve(tag, path)
        except PortloreError as error:
            self.log(f"domain {tag} cannot be served: {error}")

    def _create_clone(self, given: Cloning) -> bool:
        """A clone of a tag, served as soon as its file is there; not one of itself."""
        name, address = given.tag.decode("utf-8", "replace"), socket.inet_ntoa(given.master_address.to_bytes(4, "big"))
        path = os.path.join(self.folder, name + SUFFIX)  # noqa: PTH118
        itself = self._is_here(address) and given.master_tag == given.tag
        if os.path.exists(path) or itself or not given.master_name or not given.master_tag:  # noqa: PTH110
            self.log(f"no clone {name} of {address}: " + ("it would be its own master" if itself else "it is there"))
            return False
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)  # noqa: PTH103
            make_clone(path, Server(address, given.master_tag), given.master_name.decode("utf-8", "surrogateescape"))
        except (PortloreError, OSError, UnicodeError) as error:
            self.log(f"clone {name} cannot be made: {error}")
            return False
        task = asyncio.get_running_loop().create_task(self._start(name, path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def _destroy(self, tag: bytes) -> bool:
        """Serve a tag no more; only the files of domains that clients created are removed."""
        one = self.domains.pop(tag.decode("utf-8", "replace"), None)
        if one is None:
            return False
        self._end(one)
        own = os.path.abspath(self.folder)  # noqa: PTH100
        if os.path.dirname(os.path.abspath(one.store.path)) == own:  # noqa: PTH100, PTH120
            for end in ("", "-wal", "-shm", ".lock"):
                try:
                    os.unlink(one.store.path + end)  # noqa: PTH108
                except OSError:
                    continue
        return True

    def _alias(self, tag: bytes, address: str) -> bytes | None:
        """The domain whose root names this tag as an alias for that address (SPEC 2.5)."""
        for one in self.domains.values():
            root = one.serving.service.domain.directories.get(ROOT)
            names = first_values(root.data, b"alias_name") if root is not None else None
            if root is not None and names and names[0] == tag:
                networks = first_values(root.data, b"alias_addrs") or ()
                if any(is_within(address, network.decode("ascii", "replace")) for network in networks):
                    return one.tag.encode()
        return None

    # The end

    def _end(self, one: Domained) -> None:
        if one.replica is not None:
            one.replica.close()
        one.server.close()
        one.datagrams.close()
        for connection in list(one.serving.connections):
            connection.drop()
        one.serving.close()
        one.store.close()

    async def close(self) -> None:
        """Finish the writes that are under way, then stop serving."""
        for task in list(self._tasks):  # no new domains
            task.cancel()
        domains, self.domains = list(self.domains.values()), {}
        for one in domains:  # and no new calls
            one.server.close()
            for connection in list(one.serving.connections):
                connection.end()
        if self._foreign_mapper:
            try:
                await asyncio.to_thread(unregister_with, self._mappings())
            except PortloreError as error:
                self.log(f"the port mapper still names the binder: {error}")
        for one in domains:
            try:
                await asyncio.wait_for(one.serving.idle.wait(), 30)
            except TimeoutError:
                self.log(f"tag={one.tag}: the disk did not take the last writes within 30 s")
        await asyncio.gather(*(one.replica.finish() for one in domains if one.replica is not None))
        await self._parting([connection for one in domains for connection in list(one.serving.connections)])
        for one in domains:
            self._end(one)
        for closing in self._closing:
            closing.close()
        for guest in self._binders_guests.all():
            guest.drop()
        if self.mapper is not None:
            await self.mapper.close()

    async def _parting(self, connections: list[Connection]) -> None:
        """Let clients read their last answers."""
        for connection in connections:
            if connection.transport is not None:
                connection.transport.close()
        gone = asyncio.gather(*(connection.gone.wait() for connection in connections))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(gone, PARTING)
