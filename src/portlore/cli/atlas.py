"""``portlore atlas``: all ports as one picture, on the terminal or as a file."""

from __future__ import annotations

import os
from pathlib import Path

from portlore.atlas.layers import LAYERS, PAINTED
from portlore.cli.parser import add_as_of, add_format, count
from portlore.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.atlas.layers import Layer
    from portlore.cli.output import Output

USAGE = "atlas [-o FILE] [--layer LAYER] [--scan FILE] [--as-of DATE] …"
DESCRIPTION = """\
All 65,536 ports as one picture of 256 by 256 cells: 0 at the top left, 255 at the top right, 65535 at the bottom right.
In a terminal it is drawn with half blocks, as fine as the width allows; in a pipe with a letter for each cell.

  portlore atlas                              the status of every port
  portlore atlas -o map.svg                   as a file, with its legend
  portlore atlas -o map.png --scale 8         8 pixels a port
  portlore atlas --as-of 2005-12-22           as the registry was on that day
  portlore atlas --layer claims               what kind of use is known of each
  portlore atlas --layer listeners            what is open on this machine
  portlore atlas --scan result.xml            what a scan saw open: of portlore,
                                              nmap -oX, masscan -oJ or -oL, or a
                                              plain list of ports; - for stdin
  portlore atlas --layer transports --json    for scripts: first, last, code
"""
CHOICES = tuple(name for name in LAYERS if name != "history")  # its years are --as-of's
LARGEST = 64 << 20  # bytes of a scan's result
SCALE, MOST = 4, 32  # pixels a port


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("-o", dest="file", metavar="FILE", help="write a picture, FILE.png or FILE.svg")
    parser.add_argument("--layer", choices=CHOICES, help="what to show (default: status)")
    parser.add_argument("--scan", metavar="FILE", help="show the open ports of a scan's result")
    parser.add_argument("--scale", type=count, metavar="N", help=f"pixels a port in FILE (default: {SCALE})")
    add_as_of(parser)
    add_format(parser)


def run(args: Namespace, output: Output) -> int:
    """Draw the map."""
    layer = LAYERS[_checked(args)]
    picture, title, head = _painted(layer, args)
    if args.file:
        path, scale = Path(args.file), args.scale or SCALE
        _write(path, picture, layer, title, scale)
        output.say(f"portlore: {path}: {title}")
    if args.format != "text":
        from portlore.atlas.layout import runs
        from portlore.render.formats import Document

        rows = ({"first": first, "last": last, "code": layer.codes[code].code} for first, last, code in runs(picture))
        output.document(Document({"layer": layer.code, **head}, (("ports", rows),)), args.format)
    elif not args.file:
        from shutil import get_terminal_size

        from portlore.atlas.blocks import Colours, blocks

        style = output.style
        colours = Colours.PLAIN
        if style.colour and style.unicode:
            colours = Colours.TRUE if os.environ.get("COLORTERM") in ("truecolor", "24bit") else Colours.MANY
        width = get_terminal_size((80, 24)).columns  # the style's is that of a page, which is never as wide
        output.lines([style.paint(title, "1"), "", *blocks(picture, layer, width, colours)])
    return 0


def _checked(args: Namespace) -> str:
    """The layer that is asked for; :class:`InputError` for options that do not go together."""
    layer: str = args.layer or ("scan" if args.scan else "status")
    if layer == "scan" and not args.scan:
        raise InputError("portlore atlas --layer scan", "no result of a scan", "name its file with --scan")
    if args.scan and layer != "scan":
        raise InputError(f"portlore atlas --layer {layer} --scan", "two layers in one picture", "ask for one of them")
    if args.as_of and layer not in PAINTED:
        raise InputError(f"--as-of {args.as_of}", f"the layer {layer} is not the registry's", "leave it out")
    if args.scale and not args.file:
        raise InputError(f"--scale {args.scale}", "there is no file to draw", "name it with -o")
    if args.scale and args.scale > MOST:
        raise InputError(f"--scale {args.scale}", f"more than {MOST} pixels a port", "use an SVG, which has no pixels")
    if args.file and Path(args.file).suffix.lower() not in (".png", ".svg"):
        raise InputError(f"-o {args.file}", "neither .png nor .svg", "name the file so that its form is clear")
    return layer


def _painted(layer: Layer, args: Namespace) -> tuple[bytes, str, dict[str, str]]:
    """The picture of a layer, its title, and what its document says of itself."""
    if layer.code in PAINTED:
        from portlore.cli.opening import open_book

        book = open_book(args.as_of)
        title = f"Ports: {layer.name.lower()}, registry of {book.snapshot}"
        return PAINTED[layer.code](book), title, {"snapshot": book.snapshot}
    if layer.code == "listeners":
        from portlore.atlas.layers import by_listeners
        from portlore.library import listening

        return by_listeners(listening()), "Ports of this machine", {}
    from portlore.atlas.layers import by_scan
    from portlore.atlas.scans import open_ports

    ports = open_ports(_read(args.scan), args.scan)
    return by_scan(ports), f"Ports of a scan, open: {len(ports):,}", {"scan": args.scan}


def _read(name: str) -> str:
    asked, do = f"reading {name}", "name a file with the result of a scan"
    try:
        if name == "-":
            import sys

            text = sys.stdin.read(LARGEST + 1)
        else:
            with open(name, encoding="utf-8") as file:  # noqa: PTH123
                text = file.read(LARGEST + 1)
    except UnicodeDecodeError:
        raise InputError(asked, "not UTF-8", do) from None
    except OSError as error:
        raise InputError(asked, error.strerror or str(error), do) from None
    if len(text) > LARGEST:
        raise InputError(asked, f"more than {LARGEST:,} characters", "give the open ports of it as a plain list")
    return text


def _write(path: Path, picture: bytes, layer: Layer, title: str, scale: int) -> None:
    from portlore.files import write_whole

    if path.suffix.lower() == ".svg":
        from portlore.atlas.svg import svg

        data = svg(picture, layer, title, scale).encode()
    else:
        from portlore.atlas.png import png

        data = png(picture, layer, title, scale)
    write_whole(path, data)
