"""`course run echo`: one loop, one thread, hundreds of connections."""

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from autograder.course.programs.echo.crowd import Outcome, serve
from autograder.course.refusal import Refusal
from autograder.course.root import answers_of, find_root
from autograder.grading import loading
from autograder.grading.benches.descriptors import room_for
from autograder.grading.complaints import BadSubmission

FOLDER = "02_event_loop"
NEEDS = {"mini_loop": ("MiniLoop", "Handle"), "echo_reactor": ("EchoServer",)}
ENDS = 2
"""Both ends of each connection are in this process."""


def run(
    connections: Annotated[
        int, typer.Option("--connections", "-n", min=1, help="How many clients at once.")
    ] = 200,
    messages: Annotated[
        int, typer.Option("--messages", min=1, help="How many messages each of them says.")
    ] = 10,
    mine: Annotated[
        bool, typer.Option("--mine", help="Use your own loop and server, not the solutions.")
    ] = False,
) -> int:
    """Serve an echo server on a mini loop, to many connections at once.

    The loop is mini_loop.py, the server is echo_reactor.py, and the clients live on the same loop:
    one thread runs both ends of every connection. There are as many connections as you ask for, or
    as your system's limit of open files allows.

    \b
    Examples:
      course run echo
      course run echo --mine --connections 2000
    """
    root = find_root()
    folder = answers_of(root, mine=mine) / FOLDER
    modules = {name: load(folder / f"{name}.py") for name in NEEDS}
    size = room_for(connections, each=ENDS)
    if size < connections:
        typer.echo(f"Your system's limit of open files leaves room for {size:,} connections.")
    where = folder.relative_to(root).as_posix()
    typer.echo(f"{where}: mini_loop.py runs echo_reactor.py")
    try:
        outcome = serve(modules["mini_loop"], modules["echo_reactor"], size, messages)
    except NotImplementedError:
        raise Refusal(
            f"mini_loop.py or echo_reactor.py in {where} is not written yet. "
            "Without --mine, the solutions serve."
        ) from None
    show(outcome)
    return 0 if outcome.all_well else 1


def load(path: Path) -> ModuleType:
    """Import an exercise's file.

    Raises:
        Refusal: it cannot be imported, or lacks something.
    """
    module = loading.new_module(f"{path.stem}_to_run", path)
    try:
        loading.execute(loading.compiled(path), module, lambda name: name == str(path))
    except BadSubmission as bad:
        rows = "".join(f"\n    {row}" for row in bad.complaint.rows)
        raise Refusal(f"{path.parent.name}/{path.name} {bad.complaint.says}{rows}") from None
    for name in NEEDS[path.stem]:
        if not hasattr(module, name):
            raise Refusal(f"{path.name} has no {name} any more; the stub has it.")
    return module


def show(outcome: Outcome) -> None:
    """Say what came of it."""
    if outcome.all_well:
        typer.echo(
            f"  {outcome.connected:,} connections at once, {outcome.echoes:,} messages, "
            f"{outcome.bytes:,} bytes: all came back\n"
            f"  {outcome.connecting:.2f} s to connect, {outcome.seconds:.2f} s to talk: "
            f"{outcome.echoes / max(outcome.seconds, 1e-6):,.0f} messages a second; "
            f"the slowest took {outcome.slowest * 1000:.0f} ms"
        )
        return
    typer.echo(f"  {outcome.says()}.")
    if outcome.gave_up:
        typer.echo("  Nothing more came, so the clients gave up.")
