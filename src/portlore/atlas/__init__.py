"""The atlas: all 65,536 ports as one picture of 256 by 256 cells, drawn as PNG, SVG or text. Pure."""
