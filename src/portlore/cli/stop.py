"""``portlore stop PORT``: stop what listens on a port, after showing who it is and asking."""

from __future__ import annotations

import os
import sys
import time

from portlore.cli.listening import when
from portlore.cli.parser import seconds
from portlore.cli.wait import one_port
from portlore.errors import HostError, InputError, PolicyRefused
from portlore.filtering import fits
from portlore.listeners import Machine
from portlore.listeners.stopping import Target, ancestors, end, restarters
from portlore.opening import load, open_programs
from portlore.own.finding import read_own
from portlore.render.listening import Page, owner_text
from portlore.seen import Hidden, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output
    from portlore.filtering import Wanted
    from portlore.seen import Listener, Owner

USAGE = "stop PORT[/TRANSPORT] [--yes] [--grace SECONDS] [--json]"
DESCRIPTION = """\
Stop what listens on a port: shows who it is, asks, sends TERM, and KILL to what is still there after a grace.
Only processes that hold the listening socket are touched (tcp unless you say otherwise), never clients of it, never
process 1, this process or the shell it was typed into.

  portlore stop 3000
  portlore stop 3000 --yes --grace 10
  portlore stop 53/udp

Exit status: 0 when the port is free, 1 when nothing listened there or
something listens again.
"""
SETTLING = 0.3  # seconds that a supervisor is given before the port is looked at again


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("port", metavar="PORT", help="3000 or 53/udp")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--grace", type=seconds, default=5.0, metavar="SECONDS", help="before KILL (default: 5)")
    parser.add_argument("--json", action="store_true", help="answer with an object for scripts; needs --yes")


def run(args: Namespace, output: Output) -> int:
    """Stop it; 0 when the port is free afterwards."""
    wanted = one_port(args.port, "stop")
    wanted = wanted.replace(transport=wanted.transport or "tcp")
    name = f"{wanted.ports}/{wanted.transport}"
    if args.json and not args.yes:
        raise InputError("portlore stop --json", "nobody to ask", "add --yes to stop it unasked")
    machine = Machine(load().joined(own=read_own()), open_programs(), output.say)
    found = _listeners(machine, wanted)
    if not found:
        _tell(args, output, wanted, [], [], [], f"nothing listens on {name}")
        return 1
    targets = _targets(found, name)
    if not args.json:
        output.lines(Page(output.style, when).lines(machine.with_details(found)))
    for warning in _warnings(found, targets):
        output.say(f"portlore: {warning}")
    if not args.yes and not _agreed(targets):
        output.lines(["left alone"])
        return 1
    killed = end(targets, args.grace, lambda left: output.progress(f"TERM sent, {left:.0f} s until KILL"))
    output.progress("")
    time.sleep(SETTLING)
    again = _listeners(machine, wanted)
    how = f", {len(killed)} by KILL" if killed else ""
    state = f"{name} is held again" if again else f"{name} is free"
    _tell(args, output, wanted, targets, killed, again, f"stopped {_named(targets)}{how}: {state}")
    if again:
        who = owner_text([owner for one in again for owner in one.owners])
        output.say(f"portlore: {who} listens on {name} again; stop what starts it")
    return 1 if again else 0


def _tell(
    args: Namespace,
    output: Output,
    wanted: Wanted,
    stopped: list[Target],
    killed: list[Target],
    again: list[Listener],
    text: str,
) -> None:
    if not args.json:
        output.lines([text])
        return
    from portlore.render.formats import Document
    from portlore.render.sockets import encoded

    done = [{"pid": one.pid, "name": one.name, "killed": one in killed} for one in stopped]
    head = {"port": next(iter(wanted.ports or ())), "transport": wanted.transport, "free": not again, "stopped": done}
    output.document(Document(head, (("listeners", encoded(again)),)), "json")


def _listeners(machine: Machine, wanted: Wanted) -> list[Listener]:
    return [one for one in machine.look().listeners if one.judgement is not None and fits(one, wanted)]


def _targets(found: list[Listener], port: str) -> list[Target]:
    """The processes to stop; an error where there is one that must not or cannot be."""
    asked = f"portlore stop {port}"
    targets: dict[int, Target] = {}
    spared: dict[int, Owner] = {}
    ours = ancestors()
    for one in found:
        holding = {pid for pid, _ in one.held}
        for owner in one.owners:
            process = owner.process
            if isinstance(process, Hidden):
                raise HostError(asked, f"it is held by {process.what}", process.do)
            if process.pid not in holding:  # the process behind a forwarder: ending it would not free the port
                name = owner.container.name or owner.container.id[:12] if owner.container else process.name
                raise PolicyRefused(asked, f"a forwarder holds it for {name}", f"run: docker stop {name}")
            if process.pid == 1 or process.pid in ours:
                spared[process.pid] = owner
            elif process.pid not in targets:
                target = Target.of(process.pid, process.name)
                if target is not None:
                    targets[process.pid] = target
    if spared and not targets:
        if 1 in spared:
            unit = spared[1].unit
            do = f"run: systemctl stop {unit}" if unit and unit.endswith(".socket") else "reconfigure it instead"
            raise PolicyRefused(asked, "process 1 holds it, and is never stopped", do)
        if os.getpid() in spared:
            raise PolicyRefused(asked, "this very process holds it", "leave the port alone")
        raise PolicyRefused(asked, "only the shell that this was typed into holds it", "close it there: exec 3>&-")
    return list(targets.values())


def _warnings(found: list[Listener], targets: list[Target]) -> list[str]:
    """Who will start it again."""
    warnings = []
    ours = ancestors()
    for owner in dict.fromkeys(owner for one in found for owner in one.owners):
        if isinstance(owner.process, Process):
            if owner.process.pid == 1:
                warnings.append(f"systemd keeps the socket; to free it: systemctl stop {owner.unit}")
            elif owner.process.pid in ours:
                warnings.append(
                    f"{owner.process.name} ({owner.process.pid}), which you are in, holds it too; left alone"
                )
            elif any(target.pid == owner.process.pid for target in targets):
                warnings += restarters(owner)
    return list(dict.fromkeys(warnings))


def _named(targets: list[Target]) -> str:
    return ", ".join(f"{target.name} ({target.pid})" for target in targets)


def _agreed(targets: list[Target]) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError("portlore stop", "nobody to ask: the input is no terminal", "add --yes to stop it unasked")
    from portlore.render.terminal import clean

    sys.stderr.write(f"stop {clean(_named(targets))}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
