"""``chaosp7 validate``: are experiments right, before anything is touched?"""

from __future__ import annotations

import logging
import os
import sys

import click

from chaosp7.errors import ConfigError
from chaosp7.platform.loader import PLATFORM_ENV
from chaosp7.suite.examine import examine

__all__ = ["validate"]

_EXIT_WRONG = 1


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--platform", "-p", metavar="NAME", help="Whose services and links count.")
def validate(files: tuple[str, ...], platform: str | None) -> None:
    """Check experiments, and touch nothing.

    Chaos Toolkit's own validation; the evidence control's arguments, budget and safeguards; services,
    links and tiers against the platform file; each action's arguments by the action itself.

    Exit code: 0 if all are right, 1 with file and reason if one isn't.
    """
    if platform:
        os.environ[PLATFORM_ENV] = platform
    logging.getLogger("chaostoolkit").setLevel(logging.CRITICAL)
    wrong = 0
    for file in files:
        try:
            found = examine(file)
        except ConfigError as error:
            wrong += 1
            click.echo(f"{file}: {str(error).removeprefix(f'{file}: ')}", err=True)
        else:
            click.echo(f"{file}: right, on platform {found.model.name}")
    if wrong:
        click.echo(f"{wrong} of {len(files)} wrong", err=True)
        sys.exit(_EXIT_WRONG)
