"""The ends of a flow as text: IP addresses, Ethernet addresses. Pure."""

from __future__ import annotations

from portlore.listeners.addresses import text4, text6


def ethernet_text(number: int) -> str:
    """``0x0200c0ffee01`` as ``02:00:c0:ff:ee:01``."""
    return number.to_bytes(6, "big").hex(":")


def ip4_text(number: int) -> str:
    """An IPv4 address."""
    return text4(number.to_bytes(4, "big"))


def ip6_text(high: int, low: int) -> str:
    """An IPv6 address of two words (RFC 5952)."""
    return text6(high.to_bytes(8, "big") + low.to_bytes(8, "big"))
