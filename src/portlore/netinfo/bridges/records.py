"""The form ``json``: what :mod:`portlore.netinfo.exchange` reads and writes. Pure."""

from __future__ import annotations

from portlore.errors import ParseError
from portlore.netinfo.bridges import Told
from portlore.netinfo.exchange import DO, domain_json, parse_domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portlore.netinfo.bridges import Options
    from portlore.netinfo.domain import Domain


def write(domain: Domain, _: Options) -> Iterator[str]:
    """The domain as JSON."""
    return domain_json(domain)


def read(source: Iterable[bytes], options: Options) -> Told:
    """The domain that JSON tells."""
    try:
        text = b"".join(source).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"reading the domain {options.where}", f"not UTF-8: {error}", DO) from None
    return Told(parse_domain(text, options.where))
