"""What can be typed after `course services`; what it does is in `commands.services`."""

from typing import Annotated

import typer

from autograder.course.completion import complete_server
from autograder.course.groups import CourseGroup

services_app = typer.Typer(cls=CourseGroup, rich_markup_mode=None)

ServerNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME...",
        help="redis, rabbitmq, kafka, postgres or temporal.",
        autocompletion=complete_server,
        show_default=False,
    ),
]


@services_app.callback(invoke_without_command=True)
def services(context: typer.Context) -> None:
    """The real servers of the live runs: which run, and how to get the rest.

    \b
    Examples:
      course services
      course services up redis rabbitmq
      course services down
      course services check
    """
    if context.invoked_subcommand is None:
        from autograder.course.commands.services import show

        show()


@services_app.command("up")
def services_up(names: ServerNames = None) -> None:
    """Start servers and leave them running, so that tests need not.

    \b
    Examples:
      course services up redis
      course services up rabbitmq kafka
    """
    from autograder.course.commands.services import start_all

    start_all(names or [])


@services_app.command("down")
def services_down(names: ServerNames = None) -> None:
    """Stop what `course services up` has started: all of it, or what you name.

    \b
    Examples:
      course services down
      course services down kafka
    """
    from autograder.course.commands.services import stop_all

    stop_all(names or [])


@services_app.command("check")
def services_check(names: ServerNames = None) -> None:
    """Start each server that this machine has, use it, and stop it again.

    The exit status is 1 if one that should work does not.

    \b
    Example:
      course services check
    """
    from autograder.course.commands.services import try_all

    if not try_all(names or []):
        raise typer.Exit(1)
