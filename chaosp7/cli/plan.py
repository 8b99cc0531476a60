"""``chaosp7 plan``: what an experiment would do, without doing any of it."""

from __future__ import annotations

import os

import click

from chaosp7.platform.loader import PLATFORM_ENV
from chaosp7.suite.examine import examine

__all__ = ["plan"]


@click.command()
@click.argument("experiment", type=click.Path(exists=True, dir_okay=False))
@click.option("--platform", "-p", metavar="NAME",
              help="Name or file of the platform, for an experiment that doesn't name its own.")  # fmt: skip
def plan(experiment: str, platform: str | None) -> None:
    """Print what an EXPERIMENT would do, and touch nothing.

    Its platform, load and budget, and each activity in order with its arguments; of each fault what is
    injected, how it is verified, how long it lasts at most and what undoes it. Exit code 2 if it names
    something that isn't there.
    """
    if platform:
        os.environ[PLATFORM_ENV] = platform
    click.echo("\n".join(examine(experiment).preview))
