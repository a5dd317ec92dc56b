"""The console script `ticketbench`: every `python -m bench.NAME` as a subcommand, imported when called."""

from __future__ import annotations

import importlib
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import bench
from bench.command import console
from tickets.errors import unknown

COMMANDS = {
    "run": "bench.run",
    "table": "bench.table",
    "compare": "bench.compare",
    "claims": "bench.claims",
    "connect": "bench.connect",
    "show": "bench.show",
    "adopt": "bench.adopt",
    "export": "bench.export",
    "speed": "bench.speed.command",
    "predict": "bench.predict",
    "measure": "bench.measure",
    "preview": "bench.preview",
    "check": "bench.check",
    "publish": "bench.publish",
    "share": "bench.share",
    "submit": "bench.submit",
    "clean": "bench.clean",
    "new": "bench.new",
}
"""Subcommand to the module whose `app` is that command, or the group of that name."""


class Commands(TyperGroup):
    """A group that imports a subcommand's module when that subcommand is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The subcommand, the same that `python -m bench.NAME` runs.

        Raises:
            UserError: there is no such subcommand.
        """
        if cmd_name not in COMMANDS:
            raise unknown("command", cmd_name, COMMANDS)
        command = console.command(importlib.import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        if ctx.resilient_parsing:  # a shell asks what could stand there
            from bench.request import completion

            completion.attach(command)
        return command


WIDTH = 100  # characters of the overview's lines
OVERVIEW = f"""\
ticketbench {bench.__version__}: draw lottery tickets on one vision task, transfer them to another, and compare.

  ticketbench run --source cls --target seg     the first run: about two minutes on one core, nothing to download
  ticketbench run --list                        tasks, methods, recipes, hosts, scales and suites
  ticketbench COMMAND -h                        what a command takes, with examples
  ticketbench --install-completion              names at the Tab key

From Python: from bench import api. Commands:
"""

app = console.application(cls=Commands, completion=True)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ticketbench {bench.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def ticketbench(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Draw lottery tickets on one vision task, transfer them to another, and compare.

    ticketbench COMMAND does the same as python -m bench.COMMAND.
    """
    if context.invoked_subcommand is None:
        print(overview(context))


def overview(context: typer.Context) -> str:
    """What is shown where no command is named: the first one to type, and all there are."""
    group = context.command
    width = max(map(len, COMMANDS)) + 2
    told = {name: group.get_command(context, name).get_short_help_str(WIDTH - width) for name in COMMANDS}  # type: ignore[attr-defined]  # it is a group
    commands = "\n".join(f"  {name:<{width}}{text}" for name, text in told.items())
    return f"{OVERVIEW}\n{commands}"


def main() -> NoReturn:
    """Entry point of the console script."""
    console.main(app, "ticketbench")


if __name__ == "__main__":
    main()
