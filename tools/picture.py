"""Draw a page of the terminal as an SVG: the picture in README is made from the program's real output.

python tools/picture.py 703 docs/images/703.svg [LINES]
tools/picture_listening.sh        docs/images/listening.svg, of real servers in a network namespace
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

COLOURS = {"1": "#f2f2f2", "2": "#8a93a0", "31": "#ff6b6b", "32": "#6fd08c", "33": "#e5c07b", "36": "#63c5da"}
WIDTH, ADVANCE, LINE, MARGIN = 80, 8.43, 19, 22


def spans(line: str) -> list[tuple[str, str, bool]]:
    """Pieces of a line with colour and weight, from its SGR sequences."""
    found, colour, bold = [], "#c9d1d9", False
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if piece.startswith("\x1b["):
            codes = piece[2:-1].split(";")
            bold = "1" in codes
            colour = next((COLOURS[c] for c in reversed(codes) if c in COLOURS), "#c9d1d9")
        elif piece:
            found.append((piece, colour, bold))
    return found


def svg(lines: list[str]) -> str:
    width, height = WIDTH * ADVANCE + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img" '
        'aria-label="portlore in a terminal" font-size="14" '
        'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">',
        f'<rect width="{width:.0f}" height="{height}" rx="10" fill="#14181f"/>',
    ]
    for number, line in enumerate(lines):
        column = 0
        for text, colour, bold in spans(line):
            weight = ' font-weight="bold"' if bold else ""
            x, y = MARGIN + column * ADVANCE, MARGIN + number * LINE + 14
            parts.append(
                f'<text x="{x:.1f}" y="{y}" fill="{colour}"{weight} xml:space="preserve">{escape(text)}</text>'
            )
            column += len(text)
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    question, output = sys.argv[1], Path(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 34
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "portlore", *question.split()],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(svg([f"\x1b[2m$\x1b[0m portlore {question}", "", *done.stdout.splitlines()[:count]]), "utf-8")


if __name__ == "__main__":
    main()
