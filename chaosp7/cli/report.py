"""``chaosp7 report``: render reports again from saved evidence."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from chaosp7.errors import ConfigError
from chaosp7.exports.finished import send_trace
from chaosp7.exports.prometheus import prometheus as figures
from chaosp7.exports.settings import Exports, otlp_traces_url
from chaosp7.report import RunRecord, suite_sentence, suite_verdict, write
from chaosp7.report.files import write_text
from chaosp7.run.verdict import Verdict

__all__ = ["report"]

#: For the trace of one run, seconds.
_SENT_WITHIN_S = 10.0

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
@click.option(
    "--prometheus", type=_FILE, help="Write the figures of each experiment's last run for Prometheus."
)
@click.option("--otlp", metavar="URL", help="Send each run's trace to an OTLP/HTTP receiver (extra `otel`).")
def report(
    runs: tuple[Path, ...],
    html: Path | None,
    markdown: Path | None,
    junit: Path | None,
    json: Path | None,
    prometheus: Path | None,
    otlp: str | None,
) -> None:
    """Write reports of runs from what they have saved; nothing is run or measured.

    DIR_OR_EVIDENCE is the folder of a run or a suite, a folder with runs anywhere below it, or an
    evidence.json; a copy of a run counts with it. Runs that a suite there lists and that left nothing are
    errors, those that never began too; if Ctrl-C ended the suite, these are interrupted.
    Exit code 0 if every run passed, 1 if not, 2 if a report can't be written or sent.
    """
    if not any((html, markdown, junit, json, prometheus, otlp)):
        raise ConfigError("say what to write: --html, --markdown, --junit, --json, --prometheus or --otlp")
    records = write(runs, html=html, markdown=markdown, junit=junit, json=json)
    if prometheus is not None:
        write_text(prometheus, figures(records))
    click.echo(suite_sentence(records))
    for path in (html, markdown, junit, json, prometheus):
        if path is not None:
            click.echo(f"{path} is written.", err=True)
    if otlp is not None:
        _send(records, otlp)
    sys.exit(0 if suite_verdict(records) is Verdict.PASSED else 1)


def _send(records: Sequence[RunRecord], endpoint: str) -> None:
    """Send what has a trace; the first that isn't taken is an error."""
    url = otlp_traces_url(Exports(otlp_endpoint=endpoint))
    if url is None:
        raise ConfigError("--otlp: an address, such as http://localhost:4318")
    sent = [send_trace(url, record, _SENT_WITHIN_S) for record in records]
    click.echo(f"{sum(sent)} spans of {sum(map(bool, sent))} runs are sent.", err=True)
