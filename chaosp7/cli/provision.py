"""``chaosp7 provision``: get the parts that the Python package index doesn't have."""

from __future__ import annotations

import click

from chaosp7.cli.progress import provisioning_lines
from chaosp7.embedded import provision as provisioning

__all__ = ["provision"]


@click.command()
@click.option(
    "--only",
    "names",
    multiple=True,
    type=click.Choice(provisioning.ALL),
    help="Get just this part; may be given several times.  [default: all]",
)
def provision(names: tuple[str, ...]) -> None:
    """Get broker, Toxiproxy and S3 gateway into the per-user cache; once per user."""
    with provisioning_lines() as say:
        provisioning.parts(names or provisioning.ALL, say)
    click.echo("All parts are there.", err=True)
