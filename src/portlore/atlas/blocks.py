"""The atlas as text: half blocks in colour, two rows of cells a line, or a sign for each cell. Pure."""

from __future__ import annotations

from portlore.atlas.layout import SIDE, shrunk
from portlore.word import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.atlas.layers import Layer

LEVELS = (0, 95, 135, 175, 215, 255)  # of the 6 by 6 by 6 colours that xterm numbers from 16 on
GREYS = range(8, 239, 10)  # and of its greys, which come after them
RESET = "\x1b[0m"


class Colours(Word):
    """What a terminal can show."""

    PLAIN = "plain"
    MANY = "256"
    TRUE = "truecolour"


def blocks(picture: bytes, layer: Layer, width: int, colours: Colours) -> Iterator[str]:
    """The lines of a picture at most ``width`` columns wide, its legend, and what one cell stands for."""
    fold = next((n for n in (1, 2, 4, 8, 16) if SIDE // n <= width), 32)
    if colours is Colours.PLAIN:
        signs = "".join(one.sign for one in layer.codes)
        for row in shrunk(picture, fold, 2 * fold, layer.loud):  # a character is twice as high as wide
            yield "".join(signs[code] for code in row)
        cell, ports = "character", f"{fold} by {2 * fold}"
    else:
        yield from _half_blocks(shrunk(picture, fold, fold, layer.loud), layer, colours)
        cell, ports = "half block", f"{fold} by {fold}"
    yield ""
    for place, one in enumerate(layer.codes):
        sample = one.sign if colours is Colours.PLAIN else f"\x1b[{_sgr(one.dark, colours, 4)}m  {RESET}"
        yield f"{sample} {one.word}  {picture.count(place):,}"
    if ports != "1 by 1":
        of = "what is open shows, however little" if layer.loud else "it shows what most of them are"
        yield f"One {cell} stands for {ports} ports: {of}."


def _half_blocks(rows: list[bytes], layer: Layer, colours: Colours) -> Iterator[str]:
    above = [_sgr(one.dark, colours, 3) for one in layer.codes]
    below = [_sgr(one.dark, colours, 4) for one in layer.codes]
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        line, before = "", (-1, -1)
        for pair in zip(upper, lower, strict=True):
            if pair != before:
                line += f"\x1b[{above[pair[0]]};{below[pair[1]]}m"
                before = pair
            line += "▀"
        yield line + RESET


def _sgr(colour: str, colours: Colours, ground: int) -> str:
    """A colour as parameters of SGR (ECMA-48 section 8.3.117, ITU-T T.416). ``ground``: 3 for letters, 4 behind."""
    red, green, blue = bytes.fromhex(colour[1:])
    if colours is Colours.TRUE:
        return f"{ground}8;2;{red};{green};{blue}"
    return f"{ground}8;5;{nearest(red, green, blue)}"


def nearest(red: int, green: int, blue: int) -> int:
    """The number of xterm's 256 colours that is nearest."""
    cube = [(r, g, b) for r in LEVELS for g in LEVELS for b in LEVELS]
    colours = [*cube, *((grey, grey, grey) for grey in GREYS)]

    def distance(colour: tuple[int, int, int]) -> int:
        return (colour[0] - red) ** 2 + (colour[1] - green) ** 2 + (colour[2] - blue) ** 2

    return 16 + colours.index(min(colours, key=distance))
