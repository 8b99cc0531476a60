"""``chaosp7 plan``: what an experiment would do, without doing any of it."""

from __future__ import annotations

import click

from chaosp7.suite.examine import examine

__all__ = ["plan"]


@click.command()
@click.argument("experiment", type=click.Path(exists=True, dir_okay=False))
def plan(experiment: str) -> None:
    """Print what an EXPERIMENT would do, and touch nothing.

    Its platform, load and budget, and each activity in order with its arguments; of each fault what is
    injected, how it is verified, how long it lasts at most and what undoes it. Exit code 2 if it names
    something that isn't there.
    """
    click.echo("\n".join(examine(experiment).preview))
