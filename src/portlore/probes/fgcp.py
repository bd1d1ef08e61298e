"""FortiGate HA (FGCP, FGSP): known by its EtherTypes and ports alone. Pure.

The maker documents where it travels (FortiOS administration guide, "Heartbeat packet EtherTypes"; "Ports and
Protocols", FGCP) and nothing of what is inside: so no bytes are recognised. Nothing is sent either, as a cluster's
members take what comes there for one another's.
"""

from __future__ import annotations

from portlore.probes.dialogue import Probe, Protocol, Recogniser

NAME = "fgcp"
ETHERTYPES = {
    0x8890: "heartbeat",
    0x8891: "traffic handed on to subordinate members",
    0x8892: "session synchronisation",
    0x8893: "configuration synchronisation",
}
PORTS = {"tcp": (703,), "udp": (703, 708)}

PROTOCOLS = (
    Protocol(NAME, "FortiGate HA (FGCP)", (), (),
             ("FortiGate HA", "FortiGate HA heartbeat", "FortiGate FGSP",
              "Fortinet FortiGate session sync (routed links)"),
             "A cluster's members trust one another here: keep it on links of their own."),
)  # fmt: skip
PROBES: tuple[Probe, ...] = ()
RECOGNISERS: tuple[Recogniser, ...] = ()
