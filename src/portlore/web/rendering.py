"""Pages as HTML: the templates of ``templates/``, one environment a language. Edge: it reads them once."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, nodes

from portlore.value import Value
from portlore.web.words import LANGUAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jinja2 import Template

    from portlore.web.words import Words

HERE = Path(__file__).parent


class Links(Value):
    """How pages are addressed. ``root``: what comes before every path (``/``, ``/portlore/`` or ``../../``).

    ``site``: the site's own address for canonical links, without a slash at its end; empty when it has none.
    ``folders``: pages are folders with an index (the static site), so that addresses end with a slash.
    """

    root: str = "/"
    site: str = ""
    folders: bool = False
    suggest: str = ""
    api: str = ""
    listeners: str = ""

    def page(self, language: str, path: str) -> str:
        """A page in a language; ``path`` without slashes at its ends, empty for the first page."""
        end = "/" if self.folders and path and not path.endswith("/") else ""
        return f"{self.root}{language}/{path}{end}"

    def service(self, language: str, name: str) -> str:
        """The page of a service name."""
        return self.page(language, f"services/{quote(name, safe='')}")

    def older(self, language: str, date: str) -> str:
        """The registry's news up to a snapshot."""
        return self.page(language, f"changes/{date}" if self.folders else f"changes?until={date}")

    def json(self, language: str, path: str) -> str:
        """The same page for programs."""
        return f"{self.root}{language}/{path or 'index'}.json"

    def static(self, name: str) -> str:
        """A file that all pages share."""
        return f"{self.root}static/{name}"

    def absolute(self, language: str, path: str) -> str:
        """A page's full address, where the site has one."""
        end = "/" if self.folders and path else ""
        return f"{self.site}/{language}/{path}{end}" if self.site else self.page(language, path)


class Spoken(Environment):
    """An environment of one language: what a template says in it without values is put in when it is compiled."""

    def _generate(self, source: nodes.Template, *more: Any, **named: Any) -> str:
        self._speak(source)
        return super()._generate(source, *more, **named)

    def _speak(self, node: Any) -> Any:
        for field, value in node.iter_fields() if isinstance(node, nodes.Node) else ():
            setattr(node, field, [self._speak(one) for one in value] if isinstance(value, list) else self._speak(value))
        said: Any = self.globals  # functions and values by name
        match node:
            case nodes.Call(node=nodes.Name(name="say" | "raw" as name), args=[nodes.Const(value=text)], kwargs=[]):
                return nodes.Const(said[name](text), lineno=node.lineno, environment=self)
            case nodes.Getattr(node=nodes.Name(name="language"), attr=name):
                return nodes.Const(getattr(said["language"], name), lineno=node.lineno, environment=self)
            case _:
                return node


class Pages:
    """Renders pages in one language."""

    def __init__(self, words: Words) -> None:
        self.words = words
        loader = FileSystemLoader(HERE / "templates")
        self._templates: dict[str, Template] = {}
        self._environment = Spoken(
            loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
            auto_reload=False,
        )  # fmt: skip
        self._environment.globals.update(say=words.say, raw=words.raw, language=words.language)

    def html(self, template: str, page: object, links: Links, **more: object) -> str:
        """A page as HTML.

        ``more``: ``path`` (below the language), ``description``, ``feedback``, ``listeners``, ``languages`` it is in …
        """
        found = self._templates.get(template)
        if found is None:
            found = self._templates[template] = self._environment.get_template(template)
        return found.render(page=page, links=links, **(DEFAULTS | more))


DEFAULTS: dict[str, object] = {
    "description": "", "feedback": False, "indexed": True, "languages": LANGUAGES, "listeners": None, "path": "",
    "query": "", "snapshot_day": "",
}  # fmt: skip


def page_json(page: Value) -> str:
    """A page for programs: the same values that the HTML shows."""
    return json.dumps(page, ensure_ascii=False, default=_fields) + "\n"


def _fields(value: Value) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__fields__}
