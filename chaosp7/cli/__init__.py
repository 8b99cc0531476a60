"""The command line: ``chaosp7``."""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType
from typing import cast

import click

from chaosp7 import __version__
from chaosp7.errors import ChaosP7Error

__all__ = ["main"]

#: Exit code of every error that was foreseen; click's own for a wrong option is the same.
_EXIT_ERROR = 2

#: Command -> module, its name there, what it does: no module is imported for a list of commands.
_COMMANDS = {
    "compare": ("compare", "compare", "Print two runs or suites side by side."),
    "heal": ("heal", "heal", "Undo every fault that a run has left behind."),
    "history": ("history", "history", "Print how runs have developed, and write a page of it."),
    "list": ("list_experiments", "list_experiments", "Print what experiments do."),
    "plan": ("plan", "plan", "Print what an EXPERIMENT would do, and touch nothing."),
    "platform": ("platform", "platform", "Bring an embedded platform up and down, and look at it."),
    "provision": ("provision", "provision", "Get broker, Toxiproxy and S3 gateway into the per-user cache."),
    "report": ("report", "report", "Write reports of runs from what they have saved."),
    "run": ("run", "run", "Run experiments, each in a `chaos run` of its own."),
    "validate": ("validate", "validate", "Check experiments, and touch nothing."),
}


class _Commands(click.Group):
    """Imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        return cast("click.Command", getattr(importlib.import_module(f"chaosp7.cli.{module}"), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="chaosp7")
def commands() -> None:
    """Chaos engineering for streaming data platforms."""


def main() -> None:
    """Run the command line; a foreseen error is one line on stderr and exit code 2."""
    # What `kill` sends ends what was started no less than what Ctrl-C sends.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        commands()
    except ChaosP7Error as error:
        click.echo(f"chaosp7: {error}", err=True)
        sys.exit(_EXIT_ERROR)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
