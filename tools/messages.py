"""Write the site's messages from the source to ``locale/portlore.pot``, and bring every catalogue up to it.

python tools/messages.py            extract and update
python tools/messages.py --check    exit 1 when a catalogue is behind: nothing is written
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

WEB = Path(__file__).parent.parent / "src/portlore/web"
KEYWORDS = {"say": None, "raw": None, "N_": None, "count": (1, 2)}


def messages() -> Catalog:
    """What the source says, in the order of files and lines."""
    catalog = Catalog(project="Portlore", version="", charset="utf-8", fuzzy=False)
    for path in [*sorted(WEB.rglob("*.py")), *sorted(WEB.rglob("*.html"))]:
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        with path.open("rb") as file:
            for _, found, _, _ in extract(method, file, KEYWORDS, (), {"encoding": "utf-8"}):
                if found and (not isinstance(found, tuple) or all(found)):
                    catalog.add(found, locations=[(str(path.relative_to(WEB)), 0)])
    return catalog


def text_of(catalog: Catalog) -> str:
    """A catalogue as its file: sorted, without dates, so that a diff shows words alone."""
    buffer = io.BytesIO()
    write_po(
        buffer, catalog, width=100, omit_header=False, sort_output=True, include_lineno=False, ignore_obsolete=True
    )
    lines = buffer.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(('"POT-Creation', '"PO-Revision', '"Generated-By')))


def main() -> int:
    template, behind = messages(), 0
    folder = WEB / "locale"
    folder.mkdir(exist_ok=True)
    wanted = {folder / "portlore.pot": text_of(template)}
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            catalog = read_po(file, locale=path.stem)
        catalog.update(template, no_fuzzy_matching=True)
        wanted[path] = text_of(catalog)
        missing = [
            m.id for m in catalog if m.id and not (all(m.string) if isinstance(m.string, tuple | list) else m.string)
        ]
        if missing:
            print(f"{path.name}: {len(missing)} messages to translate, first {missing[0]!r}")
    for path, text in wanted.items():
        if not path.exists() or path.read_text("utf-8") != text:
            behind += 1
            if "--check" not in sys.argv:
                path.write_text(text, "utf-8")
    print(f"{len(template)} messages; {behind} files {'are behind' if '--check' in sys.argv else 'written'}")
    return 1 if behind and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
