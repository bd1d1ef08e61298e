"""Edge: the site's process: what it opens, what it listens on, its log, its end."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import uvicorn

from portlore.errors import HostError
from portlore.journal import Journal
from portlore.opening import load, user_directory
from portlore.provenance import sources_of
from portlore.value import Value
from portlore.web.app import App, Settings
from portlore.web.rendering import Links
from portlore.web.site import Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from portlore.seen import Listener

PLAN = "PORTLORE_SERVE"  # how a worker process is told what to do
GRACE = 10  # seconds for requests under way when the server ends
HEAD_PATIENCE = 15.0  # seconds for the head of a connection's first request


class Plan(Value):
    """What to serve, and how."""

    listen: str
    port: int
    site: str = ""
    listeners: bool = False
    feedback: str = ""
    token: str = ""
    workers: int = 1
    log_format: str = "text"


class Heard(Value):
    """A listener as a page shows it."""

    address: str
    transport: str
    owners: str
    judgement: str
    why: str


def votes_address(given: str) -> str:
    """The database of votes: the one that is named, or a file in the user's data directory."""
    if given:
        return given
    folder = Path(user_directory())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"making {folder}", error.strerror or str(error), "name a database with --feedback") from None
    return f"sqlite:///{folder}/feedback.db"


def make_app(plan: Plan) -> App:
    """The application of a plan."""
    from portlore.web.api import make_api

    write = Journal("portlore-web")
    log = _json_log(write) if plan.log_format == "json" else _text_log(write)
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
    settings = Settings(plan.site, plan.token, plan.listeners)
    app = App(site, make_api(site, listeners=plan.listeners), settings, log, voting, _look if plan.listeners else None)
    from portlore.web.maps import add_maps

    add_maps(app)
    return app


def _look(port: int) -> list[Heard]:
    from portlore.library import listening
    from portlore.render.listening import owner_text

    def heard(one: Listener) -> Heard:
        judgement = one.judgement
        said = (judgement.word, judgement.why) if judgement is not None else ("", "")
        return Heard(one.socket.address, one.socket.transport, owner_text(one.owners), *said)

    return [heard(one) for one in listening() if one.socket.port == port]


def _text_log(write: Callable[[str], None]) -> Callable[[Mapping[str, object]], None]:
    return lambda facts: write(" ".join(f"{key}={_quoted(value)}" for key, value in facts.items()))


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text) if " " in text or '"' in text or not text else text


def _json_log(write: Journal) -> Callable[[Mapping[str, object]], None]:
    def log(facts: Mapping[str, object]) -> None:
        write.line(json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **facts}))

    return log


def app_of_worker() -> App:
    """What a worker process serves, as its environment says."""
    return make_app(Plan(**json.loads(os.environ[PLAN])))


def serve(plan: Plan, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; :class:`HostError` when the address is taken or not ours."""
    asked = f"listening on {plan.listen}:{plan.port}"
    family = socket.AF_INET6 if ":" in plan.listen else socket.AF_INET
    try:
        door = socket.create_server((plan.listen, plan.port), family=family, backlog=1024)
    except PermissionError:
        raise HostError(asked, "ports below 1024 are root's", "choose another --port") from None
    except OSError as error:
        do = "see who has it with `portlore listening`, or choose another --port"
        raise HostError(asked, error.strerror or str(error), do) from None
    host = f"[{plan.listen}]" if family == socket.AF_INET6 else plan.listen
    say(f"portlore: serving http://{host}:{door.getsockname()[1]}/ (Ctrl-C ends)")
    os.environ[PLAN] = json.dumps({name: getattr(plan, name) for name in plan.__fields__})
    config = uvicorn.Config(
        "portlore.web.running:app_of_worker",
        factory=True,
        http=_protocol(),
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=1000,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=GRACE,
        workers=plan.workers,
    )
    server = uvicorn.Server(config)
    try:
        if plan.workers > 1:
            from uvicorn.supervisors import Multiprocess

            Multiprocess(config, sockets=[door]).run()
        else:
            server.run(sockets=[door])
    except KeyboardInterrupt:
        return
    finally:
        door.close()


def _protocol() -> type:
    """Uvicorn's protocol on httptools, which hangs up on who does not get to the end of a request's head in time."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Patient(HttpToolsProtocol):
        def connection_made(self, transport):  # type: ignore[no-untyped-def]
            super().connection_made(transport)
            self.loop.call_later(HEAD_PATIENCE, self._hang_up_unless_asked)

        def _hang_up_unless_asked(self) -> None:
            cycle: object = self.cycle  # of the first request; uvicorn declares it, and sets it to None until then
            if cycle is None and not self.transport.is_closing():
                self.transport.close()

    return Patient
