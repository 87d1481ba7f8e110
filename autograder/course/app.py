"""The `course` command: what can be typed. What it does is in `autograder.course.commands`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from autograder.course.completion import complete_exercise, complete_mistake
from autograder.course.groups import CourseGroup, ProgramGroup
from autograder.course.services_app import services_app

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
app = typer.Typer(
    cls=CourseGroup,
    context_settings=SETTINGS,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(
    typer.Typer(cls=ProgramGroup, rich_markup_mode=None),
    name="run",
    help="Run a practice project for real.\n\n\b\nExample:\n  course run scraper",
    no_args_is_help=True,
)

app.add_typer(services_app, name="services")

EXERCISE_HELP = "An exercise, such as 03/fetch_prices, fetch_prices or a path to its file."
OneExercise = Annotated[
    str, typer.Argument(metavar="EXERCISE", help=EXERCISE_HELP, autocompletion=complete_exercise)
]
SomeExercise = Annotated[
    str | None,
    typer.Argument(
        metavar="EXERCISE",
        help=f"{EXERCISE_HELP} By default the first that is not solved.",
        autocompletion=complete_exercise,
        show_default=False,
    ),
]
SomeExercises = Annotated[
    str | None,
    typer.Argument(
        metavar="03[/NAME]",
        help="A module, such as 03, or one of its exercises, such as 03/fetch_prices.",
        autocompletion=complete_exercise,
        show_default=False,
    ),
]
SomeMistake = Annotated[
    str | None,
    typer.Argument(
        metavar="MISTAKE",
        help="Its name, as the grader writes it. By default all of them are listed.",
        autocompletion=complete_mistake,
        show_default=False,
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"Callbacks to Sagas {version('callbacks-to-sagas')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def course(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Callbacks to Sagas: asynchronous and event-driven Python, graded in simulated worlds.

    Without a command it shows the map: what is solved and what comes next.

    \b
    Examples:
      course                      the map
      course next                 grade what you are at, and hear what to do next
      course check 03             grade a module
      course watch                grade at every save
      course hint                 one more hint
      course explain never-awaited
      course run scraper          a practice project, for real

    Tab completes after `course --install-completion`.
    """
    if context.invoked_subcommand is None:
        from autograder.course.commands.overview import show_map

        show_map()


@app.command("next")
def next_() -> None:
    """Grade the first unsolved exercise and say what to do next.

    The exit status is 0, whatever the grade: `course check` is the one to ask for a verdict.

    \b
    Example:
      course next
    """
    from autograder.course.commands.grading import grade_next

    grade_next()


@app.command()
def check(what: SomeExercises = None) -> None:
    """Grade exercises: all that you have begun, or those you name.

    The exit status is 0 for full marks and 1 for anything less.

    \b
    Examples:
      course check
      course check 03
      course check 03/fetch_prices
      course check exercises/03_async_await/fetch_prices.py
    """
    from autograder.course.commands.grading import check

    if not check(what):
        raise typer.Exit(1)


@app.command()
def grade(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="A checkout, a folder of stubs, a zip, a file or a git ref; several for a cohort.",
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="03[/NAME]", help="Grade only these.", show_default=False),
    ] = None,
    report: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT",
            help="Also write a report: exercism, classroom, gradescope, github, junit or json.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder for verdicts and reports.")
    ] = Path("grades"),
    changed: Annotated[
        bool, typer.Option("--changed", help="Grade only what differs from this course's files.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Children at a time; one a core if not given.", min=1),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(metavar="2/5", help="Of several submissions, grade only this part."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Grade on this Dask cluster (extra: cluster)."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", help="Real time an exercise may take.", min=1)
    ] = None,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Refuse to grade where there is no sandbox.")
    ] = False,
) -> None:
    """Grade submissions that you do not trust: isolated, with the graders of this course.

    Only the files that a learner was to write are taken from a submission. The exit status is 0 for
    full marks, 1 for less, and 2 when grading itself failed. verdict.json is always written.

    \b
    Examples:
      course grade ../their-checkout
      course grade answers.zip --only 03/fetch_prices --report junit
      course grade origin/their-branch --report github --output out
      course grade submissions/*/ --jobs 4 --output grades
    """
    from autograder.course.commands.judging import Wishes, grade

    cores = os.cpu_count() or 1
    wishes = Wishes(
        paths,
        only or [],
        report or [],
        output,
        jobs or cores,
        changed=changed,
        part=part,
        cluster=cluster,
        seconds=seconds,
        isolated=isolated,
    )
    raise typer.Exit(grade(wishes))


@app.command()
def watch(what: SomeExercises = None) -> None:
    """Grade at every save, until Ctrl-C.

    It follows you: the exercise whose file you save is the one that is graded.

    \b
    Examples:
      course watch
      course watch 03/scraper
    """
    from autograder.course.commands.watching import watch

    watch(what)


@app.command()
def hint(
    exercise: SomeExercise = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all hints at once.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Show those you have seen.")] = False,
) -> None:
    """Show one more hint each time.

    \b
    Examples:
      course hint
      course hint fetch_prices
      course hint fetch_prices --again
    """
    from autograder.course.commands.learning import hint

    hint(exercise, everything=everything, again=again)


@app.command()
def explain(mistake: SomeMistake = None) -> None:
    """Explain a mistake that the grader named, or list them all.

    \b
    Examples:
      course explain never-awaited
      course explain
    """
    from autograder.course.commands.learning import explain

    explain(mistake)


@app.command()
def solution(
    exercise: SomeExercise = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Show it although yours does not pass yet.")
    ] = False,
) -> None:
    """Show how a solution differs from yours, once yours passes.

    \b
    Examples:
      course solution fetch_prices
      course solution fetch_prices --anyway
    """
    from autograder.course.commands.learning import solution

    solution(exercise, anyway=anyway)


@app.command()
def reset(exercise: OneExercise) -> None:
    """Put an exercise's stub back; your file is kept as a backup.

    \b
    Example:
      course reset fetch_prices
    """
    from autograder.course.commands.resetting import reset

    reset(exercise)


@app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or empty.")
    ],
) -> None:
    """Write what learners get: the course without solutions and without tests of its graders.

    \b
    Example:
      course export ../callbacks-to-sagas-2027
    """
    from autograder.course.commands.export import export_edition

    export_edition(folder)


@app.command()
def doctor() -> None:
    """Say what is here, from Python to servers, and how to get the rest.

    \b
    Example:
      course doctor
    """
    from autograder.course.commands.doctor import examine

    if not examine():
        raise typer.Exit(1)


@app.command()
def update(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="REMOTE", help="A remote or URL to fetch from."),
    ] = None,
    install: Annotated[
        bool, typer.Option("--install/--no-install", help="Install packages newly needed.")
    ] = True,
) -> None:
    """Bring in a newer version of the course. Every file that you changed stays as it is.

    If the course changed such a file too, its version is laid beside yours, as NAME.new. It makes
    no difference whether you committed your changes. Newer versions come from the remote called
    upstream, else from origin.

    \b
    Examples:
      course update
      course update --from https://example.org/the/course.git
    """
    from autograder.course.commands.update import bring_up_to_date

    bring_up_to_date(source, install=install)


def main() -> None:
    """Run the command; the entry point of the `course` script."""
    from autograder.course.screen import survive_any_encoding

    survive_any_encoding()
    app(prog_name="course" if Path(sys.argv[0]).stem in {"course", "__main__"} else None)


if __name__ == "__main__":
    main()
