"""`course services`: the real servers of the live runs, what runs, and how to get the rest."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.course import screen
from autograder.course.refusal import Refusal, did_you_mean
from autograder.course.root import find_root
from autograder.services import NotHere, ServiceError, require
from autograder.services.catalogue import SERVERS
from autograder.services.keeping import Standing, down, shown, standing, started, up
from autograder.services.model import Server

_SIGNS = {"runs": "done", "startable": "open", "absent": "dot", "wrong": "no"}
COMMANDS = ("course services up NAME", "course services down", "course services check")


def show() -> None:
    """Print a line for each server: whether it runs, where, and where it is or would be from."""
    state = _state()
    standings = [standing(server, state) for server in SERVERS.values()]
    run = sum(it.state == "runs" for it in standings)
    standing_now = f"{run} of {len(standings)} running" if run else "none running"
    screen.say(screen.both_ends("Servers for live runs", standing_now), "bold")
    screen.say()
    for it in standings:
        _show(it)
    screen.say()
    screen.say("Tests and programs start what they need, and stop it again.")
    screen.say()
    screen.say(f" {screen.symbol('dot')} ".join(COMMANDS), "dim")


def _show(it: Standing) -> None:
    head = f"  {screen.symbol(_SIGNS[it.state])} {it.server.title:<11}"
    if it.state == "runs":
        screen.say(f"{head} {it.address}  ({it.detail})")
        _show_more(it.more)
    elif it.state == "startable":
        screen.say(f"{head} can be started  (from {it.detail})")
    elif it.state == "absent":
        several = "; any one of these brings it" if len(it.remedies) > 1 else ""
        screen.say(f"{head} {it.detail}{several}", "dim")
    else:
        screen.say(f"{head} {it.server.variable} leads nowhere", "red")
        screen.say(f"      {screen.symbol('arrow')} {it.detail}")
    for remedy in it.remedies:
        screen.say(f"      {screen.symbol('arrow')} {remedy}", "dim")
    for note in it.notes:
        screen.say(f"      {note}", "dim")


def _show_more(addresses: dict[str, str]) -> None:
    for name, where in addresses.items():
        screen.say(f"{'':<16}{name}: {where}", "dim")


def start_all(names: list[str]) -> None:
    """Start these servers and leave them running.

    Raises:
        Refusal: there is no such server, or one could not be started; the others are.
    """
    if not names:
        raise Refusal(f"Say which: course services up {' '.join(SERVERS)}, or some of them.")
    failed = []
    state = _state()
    for server in _named(names):
        began = time.monotonic()
        try:
            with _passing(f"Starting {server.title}."):
                service, is_new = up(server, state)
        except ServiceError as problem:
            failed.append(str(problem))
            continue
        took = f"started from {service.provider} in {time.monotonic() - began:.1f} s"
        how = took if is_new else f"running already; {service.provider}"
        where = shown(server, service)
        screen.say(f"  {screen.symbol('done')} {service.title:<11} {where}  ({how})")
        _show_more(service.more)
    if failed:
        raise Refusal("\n".join(failed))


def stop_all(names: list[str]) -> None:
    """Stop these servers, by default all that were started.

    Raises:
        Refusal: there is no such server.
    """
    state = _state()
    servers = _named(names) if names else _named([n for n in started(state) if n in SERVERS])
    if not servers:
        screen.say("Nothing to stop: no server was started with `course services up`.")
    for server in servers:
        with _passing(f"Stopping {server.title}."):
            outcome = down(server, state)
        screen.say(f"  {screen.symbol('open')} {server.title:<11} {outcome}")


def try_all(names: list[str]) -> bool:
    """Start each of these servers, by default all, use it, and stop it again.

    Returns whether all that this machine has work; one that it cannot have is named.
    """
    fine = True
    for server in _named(names or list(SERVERS)):
        began = time.monotonic()
        try:
            with _passing(f"Trying {server.title}."):
                provider = _use(server)
        except NotHere as missing:
            screen.say(f"  {screen.symbol('dot')} {server.title:<11} NOT HAD: {missing}")
        except ServiceError as problem:
            fine = False
            screen.say(f"  {screen.symbol('no')} {server.title:<11} FAILED: {problem}", "red")
        else:
            took = f"{time.monotonic() - began:.1f} s"
            screen.say(f"  {screen.symbol('yes')} {server.title:<11} works  ({provider}; {took})")
    return fine


def _use(server: Server) -> str:
    with require(server.name, namespaces=True) as service, server.namespace(service):
        return service.provider


def _named(names: list[str]) -> list[Server]:
    for name in names:
        if name not in SERVERS:
            known = ", ".join(SERVERS)
            near = did_you_mean(name, SERVERS)
            raise Refusal(f"There is no server {name}.{near} There are: {known}.")
    return [SERVERS[name] for name in dict.fromkeys(names)]


def _state() -> Path:
    return find_root() / ".course" / "services"


@contextmanager
def _passing(text: str) -> Iterator[None]:
    """Show what is being done, on a terminal and as long as it lasts."""
    shows = sys.stderr.isatty()
    if shows:
        screen.passing(text)
    try:
        yield
    finally:
        if shows:
            screen.passing("")
