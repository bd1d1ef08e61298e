"""The atlas as SVG: a path of rectangles for each code, title and legend, light and dark. Pure."""

from __future__ import annotations

from html import escape

from portlore.atlas.layout import SIDE, runs, shrunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from portlore.atlas.layers import Layer

HEAD, LINE, SIZE = 14, 11, 7  # heights of the title, of a line of the legend, of its letters, in ports
COLUMNS = 2  # of the legend


def svg(picture: bytes, layer: Layer, title: str, scale: int = 4) -> str:
    """A picture with its title and legend, ``scale`` pixels a port; the code of most ports is the ground."""
    ground = max(range(len(layer.codes)), key=picture.count)
    height = HEAD + SIDE + LINE * -(-len(layer.codes) // COLUMNS) + 4
    light = "".join(f".c{place}{{fill:{one.light}}}" for place, one in enumerate(layer.codes))
    dark = "".join(f".c{place}{{fill:{one.dark}}}" for place, one in enumerate(layer.codes))
    paths: dict[int, list[str]] = {}
    for x, y, wide, high, code in rectangles(picture):
        if code != ground:
            paths.setdefault(code, []).append(f"M{x} {y}h{wide}v{high}h-{wide}z")
    shapes = "".join(f'<path class="c{code}" d="{"".join(paths[code])}"/>\n' for code in sorted(paths))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {height}" width="{SIDE * scale}"'
        f' height="{height * scale}" role="img" aria-labelledby="title">\n'
        f'<title id="title">{escape(title)}</title>\n'
        f"<style>.paper{{fill:#fff}}text{{fill:#1f2328;font:{SIZE}px system-ui,sans-serif}}{light}\n"
        f"@media(prefers-color-scheme:dark){{.paper{{fill:#16181b}}text{{fill:#e6e4df}}{dark}}}</style>\n"
        f'<rect class="paper" width="{SIDE}" height="{height}"/>\n'
        f'<text x="2" y="{HEAD - 5}">{escape(title)}</text>\n'
        f'<g transform="translate(0 {HEAD})" shape-rendering="crispEdges">\n'
        f'<rect class="c{ground}" width="{SIDE}" height="{SIDE}"/>\n{shapes}</g>\n'
        f"{''.join(_legend(picture, layer))}</svg>\n"
    )


def _legend(picture: bytes, layer: Layer) -> Iterator[str]:
    for place, one in enumerate(layer.codes):
        x = 2 + SIDE // COLUMNS * (place % COLUMNS)
        y = HEAD + SIDE + 4 + LINE * (place // COLUMNS)
        yield f'<rect class="c{place}" x="{x}" y="{y}" width="7" height="7" stroke="#777" stroke-width=".4"/>'
        yield f'<text x="{x + 10}" y="{y + 6}">{escape(one.word)}: {picture.count(place):,}</text>\n'


def rectangles(picture: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Left, top, width, height and code of rectangles that fill the picture: runs of a row, joined with those below."""
    open_: dict[tuple[int, int, int], int] = {}  # left, width, code: top
    for y, row in enumerate([*shrunk(picture, 1, 1), b""]):
        here = [(first, last - first + 1, code) for first, last, code in runs(row)] if row else []
        for run in [run for run in open_ if run not in here]:
            x, wide, code = run
            yield x, open_[run], wide, y - open_.pop(run), code
        for run in here:
            open_.setdefault(run, y)
