"""Edge: a clone that keeps up with its master: all is read when it starts, when something was missed, now and then."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from portlore.errors import HostError, InputError, NetInfoError, PolicyRefused, PortloreError
from portlore.netinfo import channel
from portlore.netinfo.answering import REPLICAS
from portlore.netinfo.client import connect, parse_server, resolve
from portlore.netinfo.disk.folders import new_file
from portlore.netinfo.handle import Handle, Place
from portlore.netinfo.introducing import introduce
from portlore.netinfo.making import minimal_clone
from portlore.netinfo.pushing import Pushing, away, dial, explained
from portlore.netinfo.replicating import (
    READALL,
    Following,
    Leading,
    Server,
    decode_all,
    is_master,
    masters,
    pause,
    refusal,
)
from portlore.netinfo.secure import Keyring, Sealing
from portlore.netinfo.store import Store
from portlore.netinfo.tuning import tuning
from portlore.netinfo.values import NUMBERS
from portlore.oncrpc.xdr import Reader, uint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.calling import Connection
    from portlore.netinfo.contents import Contents
    from portlore.netinfo.domain import Domain
    from portlore.netinfo.replicating import Own
    from portlore.netinfo.server import Serving

NOTMASTER, MASTERBUSY, AUTHERROR = NUMBERS["NOTMASTER"], NUMBERS["MASTERBUSY"], NUMBERS["AUTHERROR"]
AT_ONCE = 0.05  # seconds between what was missed and the look at the master: more may be missed meanwhile
LONGEST_GAP = 10.0  # seconds between two transfers while writes keep coming
BUSY = 0.5  # seconds after which a busy master is asked again
STRANGERS = 5.0  # seconds between two looks at the master that others than the master ask for
CURRENT = bytes(12)  # what READALL answers to who has the master's checksum
UNKNOWN = 0xFFFF_FFFF  # a checksum that no domain can be taken to have


def read_all(line: Connection, checksum: int) -> bytes:
    """The results of READALL that follow its status; :class:`NetInfoError` for another status than OK."""
    results = line.call(READALL, uint(checksum))
    status = Reader(results).uint()
    if status:
        raise NetInfoError(status)
    return results[4:]


def _differs(line: Connection, contents: Contents, held: Domain) -> bool:
    """Whether a master whose checksum is ours tells that it holds something else; originals do not tell."""
    handle = Handle(line)
    try:
        handle.set_password(REPLICAS)
        told = {one.name: one.values for one in handle.statistics()}
    except PortloreError:
        return False
    finally:
        handle.set_password(None)
    checksum, content = told.get(b"checksum"), told.get(b"content")
    return bool(content) and checksum == (b"%d" % held.checksum,) and content != (contents.of(held).encode(),)


class Cloning:
    """A clone of one domain. ``listen``: the address that it is served at."""

    def __init__(self, serving: Serving, own: Own, listen: str) -> None:
        self._serving, self._own, self._listen = serving, own, listen
        self._news = asyncio.Event()
        self._following = serving.service.following = Following(self._news.set, self._asked)
        self._heard = -STRANGERS  # when a stranger had us look last
        self._later: asyncio.TimerHandle | None = None
        self._told = self._introduced = ""
        self._task: asyncio.Task[None] | None = None
        self._failures = self._transfers = 0

    def start(self) -> None:
        """Begin to keep up."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
        if self._later is not None:
            self._later.cancel()

    def _asked(self) -> None:
        """Somebody who need not be the master wants us to look: every look takes a reserved port, which are few."""
        if self._later is None:
            wait = max(0.0, self._heard + STRANGERS - time.monotonic())
            self._later = asyncio.get_running_loop().call_later(wait, self._hear)

    def _hear(self) -> None:
        self._later, self._heard = None, time.monotonic()
        self._news.set()

    async def finish(self) -> None:
        """Nothing has to be waited for."""

    async def _follow(self) -> None:
        keyring = self._serving.keyring
        if keyring is not None:
            self._following.has_key = await away(keyring.ensure) is not None
            keyring.tell()
        while True:
            self._news.clear()
            wait = await self._look()
            began = time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait)
            if self._news.is_set():  # the next transfer costs the more time to wait, the more there were
                gap = AT_ONCE * 2 ** min(self._transfers, 8)
                await asyncio.sleep(max(AT_ONCE, min(gap, LONGEST_GAP) - (time.monotonic() - began)))

    async def _look(self) -> float:
        """Compare with the master, read all where that has something else; how long to wait for the next time."""
        following = self._following
        try:
            changed = await self._transfer()
        except NetInfoError as error:
            if error.status == MASTERBUSY:
                return BUSY
            word = "that is a clone itself" if error.status == NOTMASTER else explained(error)
            return self._failed(word)
        except (PortloreError, OSError) as error:
            return self._failed(explained(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours: it is said, and the clone goes on
            return self._failed(f"fault {type(error).__name__}: {error}")
        finally:
            following.loading = False
            self._serving.release()
        self._failures = 0
        self._transfers = self._transfers + 1 if changed else 0
        if not following.held:
            self._say("")
        return float(tuning(self._serving.service.domain).cleanup)

    def _failed(self, word: str) -> float:
        self._failures += 1
        self._say(word)
        return pause(self._failures)

    async def _transfer(self) -> bool:
        """Whether something was taken."""
        serving, service, following = self._serving, self._serving.service, self._following
        sealing = self._sealing()
        line = await away(lambda: self._dial(sealing))
        try:
            following.loading = True
            mine, held = service.domain.checksum, service.domain
            results = await away(lambda: read_all(line, mine))
            if results == CURRENT and await away(lambda: _differs(line, service.contents, held)):
                said = "the master has the same checksum and other contents: neither goes on from the other"
                serving.log(f"clone tag={_text(service.tag)}: {said}; the master's are taken")
                results = await away(lambda: read_all(line, mine ^ 1))
            address = line.own_address
        finally:
            line.close()
        sent = await away(lambda: decode_all(results))
        if sent is None:
            following.held = ""
            await self._introduce(line, held, address)
            return False
        following.held = refusal(held, sent, address, service.tag, accept_empty=service.policy.accept_empty)
        following.held = following.held or (other_key(sent, sealing) if sealing is not None else "")
        if following.held:
            self._say(following.held)
            return False
        await serving.replace(sent)
        following.fresh = True
        word = f"read all tag={_text(service.tag)} directories={len(sent.directories)} checksum={sent.checksum}"
        serving.log(f"{word} {sealing.word}" if sealing is not None else word)
        if sealing is not None and sealing.is_first_use and channel.is_of_master(sent, sealing.key):
            told = f"its master's key {sealing.key} is believed from now on; compare: portlore netinfo key, there"
            serving.log(f"tag={_text(service.tag)}: {told}")
        await self._introduce(line, sent, address)
        return True

    def _sealing(self) -> Sealing | None:
        """How the master is called: what its key is, this domain says; ours is shown where the master knows it."""
        keyring, domain = self._serving.keyring, self._serving.service.domain
        if keyring is None:
            return None
        known = channel.pins(domain, [channel.machine_of_master(domain)])
        showing = keyring.own is not None and keyring.own.certificate in channel.certificates(domain)
        return Sealing(keyring, known, ", ".join(map(str, masters(domain))), showing=showing)

    async def _introduce(self, line: Connection, domain: Domain, address: str) -> None:
        """Have the master know our key, where the channel is there and it does not."""
        keyring = self._serving.keyring
        own = keyring.own if keyring is not None else None
        if own is None or line.sealing is None or not line.sealing.key:
            return
        try:
            tag = self._serving.service.tag
            word = await away(lambda: introduce(line, domain, address, tag, own))
        finally:
            line.close()
        if word and word != self._introduced:
            self._introduced = word
            self._serving.log(f"tag={_text(self._serving.service.tag)}: {word}")

    def _dial(self, sealing: Sealing | None) -> Connection:
        """A line to the master: the first of its addresses at which it answers."""
        domain, tag = self._serving.service.domain, self._serving.service.tag
        found = masters(domain)
        asked = "looking for the master"
        if not found:
            raise HostError(asked, "the domain names none that has an ip_address", "set `master` of the root")
        error: PortloreError | OSError | None = None
        for one in found:
            if self._own(one.address) and one.tag == tag:
                raise HostError(asked, "this clone is its own master", "start it again to have it take writes")
            try:
                return dial(one, self._listen, sealing=sealing)
            except (PortloreError, OSError) as refused:
                error = refused
        raise error or HostError(asked, "nobody answers", "start it")

    def _say(self, word: str) -> None:
        """Log what is wrong when it changes."""
        self._following.since = (self._following.since or time.time()) if word else 0.0
        if word != self._told:
            self._told = word
            served = self._serving.service
            who = ", ".join(map(str, masters(served.domain))) or "nobody"
            self._serving.log(f"clone tag={_text(served.tag)} master={who}: {word or 'in step again'}")


def replica(serving: Serving, own: Own, near: Own, listen: str, *, is_clone: bool) -> Cloning | Pushing:
    """The part that a server has in its domain: a store that was made a clone's is one, unless it is called the master.

    ``own``: an address is this server's; ``near``: it is this machine's. Who is not called the master takes writes
    all the same, as a copy of a domain does, and sends them to nobody: a clone of the real one loses nothing.
    """
    service = serving.service
    domain, tag = service.domain, service.tag
    named, is_named = masters(domain), is_master(domain, own, tag)
    if is_clone and not is_named:
        return Cloning(serving, own, listen)
    note = ""
    if is_clone:
        note = f"tag={_text(tag)}: this clone has become the master, as its domain says"
    elif named and not is_named and not any(near(one.address) and one.tag == tag for one in named):
        note = f"tag={_text(tag)}: the domain calls {named[0]} its master; this takes writes, and sends none on"
    return Pushing(serving, Leading(domain, own, tag), listen, note)


def make_clone(path: str, master: Server, name: str) -> None:
    """The store of a clone that has nothing yet but its master's name and place."""
    _make(path, minimal_clone(name, master.address, _text(master.tag)))


def _make(path: str, domain: Domain) -> None:
    """A clone's store that was not there. It is known as that before there is anything in it: no crash makes a copy."""
    with new_file(path), Store(path, create=True) as store:
        store.mark_clone()
        store.write_all(domain)


def other_key(sent: Domain, sealing: Sealing) -> str:
    """Why what came through a channel is not taken, as the end of a sentence: it names another key for its master."""
    known = channel.pins(sent, [channel.machine_of_master(sent)])
    if not sealing.key or not known or sealing.key in known:
        return ""
    told = " or ".join(sorted(known))
    return f"it answers with the key {sealing.key}, but its domain has {told} for it: see who answers"


def clone_from(
    where: bytes, path: str, tag: bytes, timeout: float, keyring: Keyring, pin: str = ""
) -> tuple[Server, Domain, list[str]]:
    """Read all of a domain from its master (``HOST/TAG``) into a new store; nothing is left where that fails.

    ``pin``: the master's key, where it is known. Gives where it is, what it sent, and what there is to say.
    """
    server = parse_server(where)
    asked = f"making a clone of {where.decode('utf-8', 'backslashreplace')}"
    place = Server(resolve(server.host), server.tag)
    try:
        if server.port:
            line = connect((Place(place.address, place.tag),), timeout, server.port).connection
            line.close()
        else:
            line = dial(place, "", timeout)
        line.source = ""
        line.sealing = sealing = Sealing(keyring, frozenset((pin,) if pin else ()), str(place))
        try:
            sent = decode_all(read_all(line, UNKNOWN))
            address = line.own_address
        finally:
            line.close()
    except NetInfoError as error:
        if error.status == NOTMASTER:
            raise InputError(asked, "that is a clone itself", "name the master") from None
        do = "run it as root, and see that the master answers"
        raise HostError(asked, explained(error), do) from None
    if sent is None:
        raise HostError(asked, "it sent nothing", "see what runs there")
    named = masters(sent)
    if not any(one.tag == place.tag for one in named):
        told = ", ".join(map(str, named)) or "nobody"
        raise InputError(asked, f"its domain calls {told} the master", "name that one")
    if address == place.address and tag == place.tag:
        raise InputError(asked, "the clone would be its own master", "run this on another machine, or give another tag")
    word = refusal(sent, sent, address, tag, accept_empty=False)
    if word:
        raise InputError(asked, word, "do that on the master, then run this again")
    if word := other_key(sent, sealing):
        raise PolicyRefused(asked, word, "then run this again")
    _make(path, sent)
    said = [sealing.word]
    if sealing.is_first_use:
        said.append(f"the key {sealing.key} is believed from now on; compare: portlore netinfo key, there")
    own = keyring.ensure() if sealing.key else None
    keyring.tell()
    if own is not None:
        try:
            said.append(introduce(line, sent, address, tag, own))
        finally:
            line.close()
    return place, sent, [one for one in said if one]


def _text(tag: bytes) -> str:
    return tag.decode("utf-8", "backslashreplace")
