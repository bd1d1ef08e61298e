"""``portlore serve``: the site and its API, on this machine."""

from __future__ import annotations

from portlore.errors import HostError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from portlore.cli.output import Output

USAGE = "serve [--listen ADDRESS] [--port N] [--listeners] …"
DESCRIPTION = """\
The site: a page for every port in 14 languages, the atlas, search, an API under
/api/v1; for this machine alone, unless told otherwise.

  portlore serve                          http://127.0.0.1:8703/
  portlore serve --listeners              also what listens on this machine
  portlore serve --site https://ports.example.org
                                          behind a proxy; what is about this
                                          machine then needs the printed token
  portlore serve --listen 0.0.0.0         for others directly, the same
  portlore serve --feedback postgresql://user:password@host/database

Beside it: /healthz, /metrics (Prometheus), /sitemap.xml. `portlore feedback`
shows which pages fail their readers; `portlore build` writes the same site as
files.
"""
PORT = 8703


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="where (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"(default: {PORT}; 0: any free one)")
    parser.add_argument("--site", default="", metavar="URL", help="the site's public address, for canonical links")
    parser.add_argument("--listeners", action="store_true", help="show what listens on this machine")
    help_feedback = (
        "where votes go: sqlite:////path or postgresql://…, `none` for no feedback (default: a file of yours)"
    )
    parser.add_argument("--feedback", default="", metavar="URL", help=help_feedback)
    parser.add_argument(
        "--token-file", metavar="FILE", help="the token, where others can reach the site (default: made)"
    )
    parser.add_argument("--workers", type=_workers, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="of the log on stderr")


def _port(text: str) -> int:
    from portlore.model import parse_number

    return parse_number(text)


def _workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 64:
        raise InputError(f"--workers {text}", "not a number from 1 to 64", "write 2")
    return int(text)


def run(args: Namespace, output: Output) -> int:
    """Serve until told to end."""
    from portlore.extras import require
    from portlore.web.extra import WEB

    require(WEB, output.say)
    from portlore.web.running import Plan, serve

    site = args.site.rstrip("/")
    if site and not site.startswith(("http://", "https://")):
        raise InputError(
            f"--site {args.site}", "not an address of the web", "write one such as https://ports.example.org"
        )
    token = _token(args, output.say)
    plan = Plan(
        args.listen,
        args.port,
        site,
        args.listeners,
        args.feedback,
        token,
        args.workers,
        args.log_format,
    )
    serve(plan, output.say)
    return 0


def read_token(path: str) -> str:
    """The token in a file."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            text = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"reading {path}", str(error), "write a token into it, one line") from None
    if len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text:
        found = "not 16 or more letters, digits and signs of ASCII"
        raise InputError(f"the token in {path}", found, "write a longer one, one line")
    return text


def _token(args: Namespace, say: Callable[[str], None]) -> str:
    """The token that others need; empty for this machine alone, made where no file gives one."""
    if args.token_file:
        return read_token(args.token_file)
    from portlore.web.asking import is_loopback

    if is_loopback(f"[{args.listen}]" if ":" in args.listen else args.listen) and not args.site:
        return ""
    if args.log_format == "json":
        do = "write one into a file, and name it with --token-file"
        raise InputError("--log-format json without a token", "the one that is made would stand in the log", do)
    import secrets

    token = secrets.token_urlsafe(24)
    say(f"portlore: the token for what is about this machine: {token}")
    return token
