"""PNG, SVG and terminal draw the same picture of the atlas, in colours that everybody can tell apart."""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from xml.etree import ElementTree

import pytest

import portlore
from portlore.atlas.blocks import Colours, blocks, nearest
from portlore.atlas.layers import LAYERS, PAINTED, Layer, by_scan
from portlore.atlas.layout import PORTS, SIDE, cell, shrunk
from portlore.atlas.png import png
from portlore.atlas.svg import rectangles, svg

PICTURES = {name: paint(portlore.load()) for name, paint in PAINTED.items()}
WHOLE = [*PICTURES, "scan"]


def drawn(name: str) -> tuple[bytes, Layer]:
    return PICTURES.get(name) or by_scan({0, 22, 255, 256, 65535}), LAYERS[name]


def pixels(data: bytes) -> tuple[int, list[str]]:
    """A reader of its own for PNGs with a palette (PNG, third edition, sections 5.3, 9 and 11.2): side, colours."""
    assert data[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
    chunks: dict[bytes, bytes] = {}
    at, kind = 8, b""
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = chunks.get(kind, b"") + body
        at += 12 + size
    assert kind == b"IEND"
    wide, high, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (wide, depth, colour, rest) == (high, 8, 3, [0, 0, 0])
    body = zlib.decompress(chunks[b"IDAT"])
    assert len(body) == high * (wide + 1)
    lines = [body[row * (wide + 1) : (row + 1) * (wide + 1)] for row in range(high)]
    assert {line[0] for line in lines} == {0}
    palette = [f"#{chunks[b'PLTE'][at : at + 3].hex()}" for at in range(0, len(chunks[b"PLTE"]), 3)]
    return wide, [palette[index] for line in lines for index in line[1:]]


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("look", ["light", "dark"])
def test_a_png_has_the_colour_of_every_port(name: str, look: str) -> None:
    picture, layer = drawn(name)
    made = png(picture, layer, "t", dark=look == "dark")
    side, found = pixels(made)
    assert side == SIDE
    assert found == [getattr(layer.codes[code], look) for code in picture]
    assert all(f"{getattr(one, look)} {one.word}".encode() in made for one in layer.codes)


def test_a_larger_png_gives_every_port_a_square() -> None:
    picture, layer = drawn("scan")
    side, found = pixels(png(picture, layer, "t", 3))
    assert side == 3 * SIDE
    for port in (0, 1, 255, 256, 65535):
        x, y = cell(port)
        squares = {found[(3 * y + down) * side + 3 * x + right] for down in range(3) for right in range(3)}
        assert squares == {layer.codes[picture[port]].light}


@pytest.mark.parametrize(("file", "look"), [("atlas.png", "light"), ("atlas-dark.png", "dark")])
def test_the_still_picture_of_the_site_is_the_status_of_every_port(file: str, look: str) -> None:
    pytest.importorskip("babel")
    from portlore.web.maps import map_files

    kind, body = map_files(portlore.load())[file]
    side, found = pixels(body)
    assert (kind, side) == ("image/png", 2 * SIDE)
    every_other = [colour for row in range(0, side, 2) for colour in found[row * side : (row + 1) * side : 2]]
    assert every_other == [getattr(LAYERS["status"].codes[code], look) for code in PICTURES["status"]]


@pytest.mark.parametrize("name", WHOLE)
def test_an_svg_fills_the_cells_that_have_another_colour_than_its_ground_once_each(name: str) -> None:
    picture, layer = drawn(name)
    text = svg(picture, layer, "t")
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    group = root.find(f"{space}g")
    assert group is not None
    found = bytearray([int(group[0].attrib["class"][1:])]) * PORTS
    covered = 0
    for path in group.findall(f"{space}path"):
        code = int(path.attrib["class"][1:])
        for numbers in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z", path.attrib["d"]):
            x, y, wide, high, back = map(int, numbers)
            assert wide == back
            for row in range(y, y + high):
                found[row * SIDE + x : row * SIDE + x + wide] = bytes([code]) * wide
            covered += wide * high
    assert found == picture
    assert covered == PORTS - max(picture.count(code) for code in range(len(layer.codes)))
    assert len(text) < 40_000
    assert [one.word for one in layer.codes if f">{one.word}: " not in text] == []


def test_rectangles_are_joined_over_rows() -> None:
    assert list(rectangles(bytes(PORTS))) == [(0, 0, SIDE, SIDE, 0)]


def test_a_title_cannot_break_out_of_the_svg() -> None:
    title = '</title><script>alert("1")</script>&'
    root = ElementTree.fromstring(svg(bytes(PORTS), LAYERS["scan"], title))
    assert root[0].text == title
    assert [one for one in root.iter() if one.tag.endswith("script")] == []


COLOUR = r"8;2;\d+;\d+;\d+|8;5;\d+"
SGR = re.compile(rf"\x1b\[3({COLOUR});4({COLOUR})m(▀+)")


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("colours", [Colours.TRUE, Colours.MANY])
def test_half_blocks_show_the_same_picture_where_there_is_room(name: str, colours: Colours) -> None:
    picture, layer = drawn(name)
    lines = list(blocks(picture, layer, 256, colours))
    places = {}
    for place, one in enumerate(layer.codes):
        rgb = bytes.fromhex(one.dark[1:])
        places["8;2;{};{};{}".format(*rgb) if colours is Colours.TRUE else f"8;5;{nearest(*rgb)}"] = place
    assert len(places) == len(layer.codes)  # no two of a layer look the same
    found = bytearray()
    for line in lines[:128]:
        pairs = [(places[a], places[b]) for a, b, many in SGR.findall(line) for _ in many]
        found += bytes(a for a, _ in pairs) + bytes(b for _, b in pairs)
        assert line.endswith("\x1b[0m")
    assert found == picture
    assert not [line for line in lines if "stands for" in line]


@pytest.mark.parametrize("width", [20, 39, 40, 80, 110, 127, 128, 255, 256, 400])
@pytest.mark.parametrize("colours", list(Colours))
def test_text_is_never_wider_than_the_terminal(width: int, colours: Colours) -> None:
    picture, layer = drawn("status")
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in blocks(picture, layer, width, Colours(colours))]
    drawing = lines[: lines.index("")]
    assert max(map(len, drawing)) <= width
    assert len(drawing) * 2 == len(drawing[0])  # half as high as wide: characters are twice as high
    wide = SIDE // len(drawing[0])
    high = 2 * wide if colours is Colours.PLAIN else wide
    assert (f"stands for {wide} by {high} ports" in lines[-1]) == (wide * high > 1)


def test_plain_text_has_a_sign_for_each_code_and_no_colour() -> None:
    picture, layer = drawn("status")
    lines = list(blocks(picture, layer, 80, Colours.PLAIN))
    signs = {one.sign: place for place, one in enumerate(layer.codes)}
    assert len(signs) == len(layer.codes)
    assert [bytes(signs[sign] for sign in line) for line in lines[:32]] == shrunk(picture, 4, 8)
    assert "\x1b" not in "".join(lines)
    assert "".join(lines).isascii()


def test_an_open_port_is_seen_however_small_the_picture() -> None:
    lines = list(blocks(by_scan({40000}), LAYERS["scan"], 20, Colours.PLAIN))
    assert "".join(lines[: lines.index("")]).count(LAYERS["scan"].codes[0].sign) == 1


# --- colours: linear RGB of IEC 61966-2-1; colour blindness after Machado, Oliveira and Fernandes 2009 (severity 1);
# distances in OKLab (Ottosson 2020)

EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no long": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no middle": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no short": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def seen_by(eyes: str, colour: str) -> list[float]:
    light = [byte / 255 for byte in bytes.fromhex(colour[1:])]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in light]
    shown = [min(1.0, max(0.0, v)) for v in times(EYES[eyes], linear)]
    return times(OKLAB, [v ** (1 / 3) for v in times(CONES, shown)])


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("look", ["light", "dark"])
def test_any_two_colours_of_a_layer_can_be_told_apart(eyes: str, look: str) -> None:
    for layer in LAYERS.values():
        for a, b in itertools.combinations(layer.codes, 2):
            first, second = (seen_by(eyes, getattr(one, look)) for one in (a, b))
            distance = sum((x - y) ** 2 for x, y in zip(first, second, strict=True)) ** 0.5
            assert distance > 0.12, f"{layer.code}: {a.code} and {b.code}: {distance:.3f}"
