"""The atlas as PNG (W3C Portable Network Graphics, third edition): one byte a pixel, a palette. Pure."""

from __future__ import annotations

import zlib

from portlore.atlas.layout import SIDE, shrunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.atlas.layers import Layer

INDEXED = 3  # colour type (section 11.2.1)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(picture: bytes, layer: Layer, title: str, scale: int = 1, *, dark: bool = False) -> bytes:
    """A picture, ``scale`` pixels a port on each side; title and legend go along as text (section 11.3.3)."""
    colours = [one.dark if dark else one.light for one in layer.codes]
    size = (SIDE * scale).to_bytes(4, "big")
    palette = b"".join(bytes.fromhex(colour[1:]) for colour in colours)
    legend = ", ".join(f"{colour} {one.word}" for colour, one in zip(colours, layer.codes, strict=True))
    lines = (b"".join(bytes([code]) * scale for code in row) for row in shrunk(picture, 1, 1))
    body = b"".join((b"\0" + line) * scale for line in lines)  # filter type 0: the bytes as they are
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", size * 2 + bytes([8, INDEXED, 0, 0, 0])),
            _chunk(b"PLTE", palette),
            _chunk(b"tEXt", b"Title\0" + title.encode("latin-1", "replace")),
            _chunk(b"tEXt", b"Description\0" + legend.encode("latin-1", "replace")),
            _chunk(b"IDAT", zlib.compress(body, 9)),
            _chunk(b"IEND", b""),
        )
    )
