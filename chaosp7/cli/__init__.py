"""The command line: ``chaosp7``."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click

from chaosp7 import __version__
from chaosp7.cli.heal import heal
from chaosp7.cli.plan import plan
from chaosp7.cli.platform import platform
from chaosp7.cli.provision import provision
from chaosp7.errors import ChaosP7Error

__all__ = ["main"]

#: Exit code of every error that was foreseen; click's own for a wrong option is the same.
_EXIT_ERROR = 2


@click.group()
@click.version_option(__version__, prog_name="chaosp7")
def commands() -> None:
    """Chaos engineering for streaming data platforms."""


commands.add_command(heal)
commands.add_command(plan)
commands.add_command(platform)
commands.add_command(provision)


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
