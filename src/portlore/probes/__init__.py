"""Which protocol speaks: PROBES and RECOGNISERS, gathered from a module for each protocol; PROTOCOLS by name. Pure."""

from __future__ import annotations

from importlib import import_module

from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol, Recogniser

__all__ = ["PROBES", "PROTOCOLS", "RECOGNISERS", "Asked", "Dialogue", "Probe", "Protocol", "Recogniser"]

MODULES: tuple[str, ...] = (  # the order of recognisers: what is unmistakable first
    "ssh",
    "http",
    "http2",
    "tls",
    "vnc",
    "rsync",
    "smtp",
    "ftp",
    "imap",
    "pop3",
    "mysql",
    "irc",
    "redis",
    "memcached",
    "mongodb",
    "amqp",
    "kafka",
    "cassandra",
    "zookeeper",
    "mqtt",
    "postgresql",
    "telnet",
    "webapis",
    "smb",
    "snmp",
    "ldap",
    "rpc",
    "netinfo",
    "sip",
    "xmpp",
    "git",
    "rdp",
    "dhcp",
    "dns",
    "quic",
    "modbus",
    "x11",
    "ntp",
    "wireguard",
    "socks",
    "ipp",
    "fgcp",
)

_found = [import_module(f"portlore.probes.{name}") for name in MODULES]
PROTOCOLS: dict[str, Protocol] = {one.name: one for module in _found for one in module.PROTOCOLS}
PROBES: tuple[Probe, ...] = tuple(one for module in _found for one in module.PROBES)
RECOGNISERS: tuple[Recogniser, ...] = tuple(one for module in _found for one in module.RECOGNISERS)
