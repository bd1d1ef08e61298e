"""Edge: the site's process: what it opens, what it listens on, its log, its end."""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import os
import platform
import signal
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from portlore.errors import HostError
from portlore.listeners import Machine
from portlore.opening import load, open_programs, user_directory
from portlore.provenance import sources_of
from portlore.render.formats import Document
from portlore.render.sockets import encoded
from portlore.value import Value
from portlore.web.app import App, Settings
from portlore.web.asking import PATIENCE
from portlore.web.logs import JsonLog, Overheard, TextLog, json_line
from portlore.web.patience import MOST_CONNECTIONS, Patient
from portlore.web.rendering import Links
from portlore.web.site import Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from portlore.seen import Listener
    from portlore.web.logs import Log

PLAN = "PORTLORE_SERVE"  # how a worker process is told what to do
GRACE = 10  # seconds for requests under way when the server ends
IDLE = 20  # seconds that a connection may wait for its next request
ASKED = {"queries": [], "user": "", "transport": "", "exposed": False, "unexpected": False, "all_namespaces": False}
KEPT_BACK = 128  # descriptors for all else


class Plan(Value):
    """What to serve, and how. ``patience``: seconds for the next step of a request."""

    listen: str
    port: int
    site: str = ""
    listeners: bool = False
    feedback: str = ""
    token: str = ""
    workers: int = 1
    log_format: str = "text"
    patience: float = PATIENCE


class Heard(Value):
    """A listener as a page shows it."""

    address: str
    transport: str
    owners: str
    judgement: str
    why: str


def votes_address(given: str) -> str:
    """The database of votes that is named, or a file in the user's data directory.

    The file is made, for its owner alone: it holds what visitors' names are signed with.
    """
    if given:
        return given
    from portlore.web.feedback.store import FILE

    path = Path(user_directory(), FILE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
    except OSError as error:
        do = "name a database with --feedback, or `none`"
        raise HostError(f"making {path}", error.strerror or str(error), do) from None
    return f"sqlite:///{path}"


def make_app(plan: Plan) -> App:
    """The application of a plan; :class:`HostError` when its database cannot be used."""
    from portlore.web.api import make_api
    from portlore.web.maps import map_files

    log = _open_log(plan)
    book = load()
    rows = [{"source": row["layer"], "date": row["date"], "text": row["title"]} for row in sources_of()]
    links = Links(
        site=plan.site,
        suggest="/api/v1/search?limit=8&q=",
        api="/api/v1/docs",
        listeners="/api/v1/listeners" if plan.listeners else "",
    )
    voting = None
    site = Site(book, rows, links, feedback=plan.feedback != "none")
    if plan.feedback != "none":
        from portlore.web.feedback.store import Votes
        from portlore.web.voting import Voting

        voting = Voting(site, Votes(votes_address(plan.feedback)), log)
    settings = Settings(plan.site, plan.token, plan.patience, str(os.getpid()) if plan.workers > 1 else "")
    api = make_api(site, _listeners if plan.listeners else None)
    app = App(site, api, settings, log, voting, _look if plan.listeners else None, log.close)
    app.files_to_make(lambda: map_files(book))
    Patient.patience = plan.patience
    return app


def _look(port: int) -> list[Heard]:
    from portlore.render.listening import owner_text

    def heard(one: Listener) -> Heard:
        judgement = one.judgement
        said = (judgement.word, judgement.why) if judgement is not None else ("", "")
        return Heard(one.socket.address, one.socket.transport, owner_text(one.owners), *said)

    seen = Machine(load(), open_programs(), _unsaid).look()
    return [heard(one) for one in seen.listeners if one.socket.port == port]


def _listeners() -> Document:
    """The document that ``portlore listening --json`` prints."""
    book = load()
    seen = Machine(book, open_programs(), _unsaid).look()
    head = {"snapshot": book.snapshot, "host": platform.node(), "asked": ASKED, "notes": list(seen.notes)}
    return Document(head, (("listeners", encoded(seen.listeners)),))


def _unsaid(text: str) -> None:
    """What the command would tell the user."""


def _open_log(plan: Plan) -> Log:
    """The log of this process, and what its libraries say in it."""
    log = JsonLog() if plan.log_format == "json" else TextLog()
    logging.getLogger().addHandler(Overheard(log))
    return log


def app_of_worker() -> App:
    """What a worker process serves, as its environment says."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    app = make_app(Plan(**json.loads(os.environ[PLAN])))
    gc.freeze()
    return app


def _end_with_parent() -> None:
    """End as on SIGTERM once the parent is gone, which could not pass it on (kill -9), so that the port is free."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def serve(plan: Plan, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; :class:`HostError` when the address is taken or not ours, or the database away."""
    gc.enable()  # the command, which usually ends soon, goes without
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # uvicorn raises it again at its end
    door = _door(plan)
    try:
        app = make_app(plan) if plan.workers == 1 else _leave_to_workers(plan)
        gc.collect()
        gc.freeze()
        host = f"[{plan.listen}]" if door.family == socket.AF_INET6 else plan.listen
        address = f"http://{host}:{door.getsockname()[1]}/"
        in_json = plan.log_format == "json"
        say(json_line({"serving": address}) if in_json else f"portlore: serving {address} (Ctrl-C ends)")
        _run(app, door, plan)
    except KeyboardInterrupt:
        return
    finally:
        door.close()
        signal.signal(signal.SIGTERM, before)


def _leave_to_workers(plan: Plan) -> str:
    """Where workers find their application; what would keep them from making it is told here, once."""
    load()
    if plan.feedback != "none":
        from portlore.web.feedback.store import Votes

        Votes(votes_address(plan.feedback)).close()
    _open_log(plan)  # for the parent's own words
    os.environ[PLAN] = json.dumps({name: getattr(plan, name) for name in plan.__fields__})
    return "portlore.web.running:app_of_worker"


def _run(app: App | str, door: socket.socket, plan: Plan) -> None:
    _have_descriptors()
    config = uvicorn.Config(
        app,
        factory=isinstance(app, str),
        http=Patient,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
        workers=plan.workers,
    )
    if plan.workers > 1:
        from uvicorn.supervisors import Multiprocess

        Multiprocess(config, sockets=[door]).run()
    else:
        uvicorn.Server(config).run(sockets=[door])


def _door(plan: Plan) -> socket.socket:
    asked = f"listening on {plan.listen}:{plan.port}"
    family = socket.AF_INET6 if ":" in plan.listen else socket.AF_INET
    try:
        door = socket.create_server((plan.listen, plan.port), family=family, backlog=1024)
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited; asyncio sets it for another proto alone
    except PermissionError:
        raise HostError(asked, "ports below 1024 are root's", "choose another --port") from None
    except OSError as error:
        do = "see who has it with `portlore listening`, or choose another --port"
        found = (error.strerror or str(error)).partition(" (while")[0]
        raise HostError(asked, found, do) from None
    return door


def _have_descriptors() -> None:
    """A descriptor for every connection, where the system gives as many."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + KEPT_BACK
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
