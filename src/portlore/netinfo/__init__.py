"""NetInfo, NeXT's and Apple's directory service: values, protocol, domain, server, clients and the tools of old.

>>> import portlore.netinfo
>>> with portlore.netinfo.open("127.0.0.1:7100/network") as domain:  # doctest: +SKIP
...     print(domain.children(domain.root()))
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.client import open as open  # noqa: A004 - the verb of the library, as in urllib
    from portlore.netinfo.handle import Handle

__all__ = ["Handle", "open"]
_HOMES = {"open": "portlore.netinfo.client", "Handle": "portlore.netinfo.handle"}


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first asked for (PEP 562)."""
    if name in _HOMES:
        return getattr(__import__(_HOMES[name], fromlist=[name]), name)
    raise AttributeError(f"module 'portlore.netinfo' has no attribute {name!r}")
