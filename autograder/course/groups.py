"""Groups of commands: how they refuse, and where they come from."""

from typing import Any

import typer
from typer.core import TyperGroup

from autograder.course.refusal import Refusal


class CourseGroup(TyperGroup):
    """Commands that refuse with one sentence and exit status 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            typer.secho(str(refusal), err=True)
            raise typer.Exit(2) from None


class ProgramGroup(TyperGroup):
    """A command for each folder of `autograder/course/programs`, imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the programs."""
        from autograder.course.programs import program_names

        return program_names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Build the command of one program from its `run` function."""
        from autograder.course.programs import load_program, program_names

        if cmd_name not in program_names():
            known = ", ".join(program_names())
            raise Refusal(f"There is no program {cmd_name} to run. There are: {known}.")
        single = typer.Typer(rich_markup_mode=None, add_completion=False)
        single.command(cmd_name)(load_program(cmd_name))
        return typer.main.get_command(single)
