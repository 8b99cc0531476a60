"""``chaosp7 report``: render reports again from saved evidence."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chaosp7.errors import ConfigError
from chaosp7.report import suite_sentence, suite_verdict, write
from chaosp7.run.verdict import Verdict

__all__ = ["report"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument(
    "runs",
    metavar="DIR_OR_EVIDENCE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--html", type=_FILE, help="Write the page: one file that needs no network.")
@click.option("--markdown", type=_FILE, help="Write the tracker's tables, filled in.")
@click.option("--junit", type=_FILE, help="Write JUnit XML; a run is a test case.")
@click.option("--json", type=_FILE, help="Write all evidence as one JSON document.")
def report(
    runs: tuple[Path, ...], html: Path | None, markdown: Path | None, junit: Path | None, json: Path | None
) -> None:
    """Write reports of runs from what they have saved; nothing is run or measured.

    DIR_OR_EVIDENCE is the folder of a run, a folder with runs anywhere below it, or an evidence.json.
    Exit code 0 if every run passed, 1 if not, 2 if a report can't be written.
    """
    if not any((html, markdown, junit, json)):
        raise ConfigError("say what to write: --html, --markdown, --junit or --json")
    records = write(runs, html=html, markdown=markdown, junit=junit, json=json)
    click.echo(suite_sentence(records))
    for path in (html, markdown, junit, json):
        if path is not None:
            click.echo(f"{path} is written.", err=True)
    sys.exit(0 if suite_verdict(records) is Verdict.PASSED else 1)
