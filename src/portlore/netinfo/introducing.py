"""Edge: how a server's key gets into the domain: a master writes its own, a clone tells the master's server its own."""

from __future__ import annotations

from portlore.errors import NetInfoError, PortloreError
from portlore.netinfo import channel
from portlore.netinfo.access import Caller
from portlore.netinfo.coding import names
from portlore.netinfo.server import Connection
from portlore.netinfo.values import LAST, Property
from portlore.oncrpc.message import NOBODY, Call, encode_call
from portlore.oncrpc.xdr import Reader, opaque, uint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.calling import Connection as Line
    from portlore.netinfo.domain import Domain
    from portlore.netinfo.secure import Own
    from portlore.netinfo.server import Serving

CREATEPROP, CREATENAME = 12, 18


def name_own(serving: Serving, own: Own) -> None:
    """Have a master's domain say the master's key: a write like any other, logged, on disk, sent to the clones."""
    domain, value = serving.service.domain, channel.value(own.certificate)
    machine = channel.machine_of_master(domain)
    if machine is None or value in (domain.values(machine, channel.KEY) or ()):
        return
    one = domain.at(machine)
    place = next((at for at, each in enumerate(one.properties) if each.name == channel.KEY), None)
    here = uint(one.id) + uint(one.instance)
    if place is None:
        call = Call(1, channel.PROGRAM, channel.VERSION, CREATEPROP, NOBODY, NOBODY, here + _property(value))
    else:
        given = here + uint(place) + opaque(value) + uint(LAST)
        call = Call(1, channel.PROGRAM, channel.VERSION, CREATENAME, NOBODY, NOBODY, given)
    writer = Connection(serving)  # with nobody at its other end
    writer.caller = Caller("127.0.0.1", 0, local=True)
    writer.work([encode_call(call)])


def _property(value: bytes) -> bytes:
    given = Property(channel.KEY, (value,))
    return opaque(given.name) + names(given.values) + uint(LAST)


def introduce(line: Line, domain: Domain, address: str, tag: bytes, own: Own) -> str:
    """Have a master know a clone's key, by its address and tag there; what there is to say of it, empty for nothing.

    Where the machine has no key there yet, it takes the word of root on it, through the channel.
    """
    value = channel.value(own.certificate)
    machines = channel.machines_at(domain, address, tag)
    if not machines or any(value in (domain.values(one, channel.KEY) or ()) for one in machines):
        return ""
    one = domain.at(machines[0])
    name = (domain.values(one.id, b"name") or (b"NAME",))[0].decode("utf-8", "backslashreplace")
    by_hand = f"run there: niutil -appendprop . /machines/{name} {channel.KEY.decode()} {value.decode()}"
    if domain.values(one.id, channel.KEY) is not None:
        return f"the master knows another key for {name} than {own.name}; if that is to be, {by_hand}"
    try:
        results = line.call(CREATEPROP, uint(one.id) + uint(one.instance) + _property(value))
        status = Reader(results).uint()
    except (NetInfoError, PortloreError):
        status = 1
    if status:
        return f"the master does not know this server's key {own.name}; {by_hand}"
    return f"the master knows {name} by its key {own.name} from now on"
