"""Have a suite's reports written, with the suite's own verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from chaosp7.report.files import write_text
from chaosp7.report.gather import never_began
from chaosp7.report.html import html as render_html
from chaosp7.report.junit import junit as render_junit
from chaosp7.report.markdown import markdown as render_markdown
from chaosp7.report.plain import plain_json
from chaosp7.report.records import RunRecord, read_run
from chaosp7.run.verdict import Verdict
from chaosp7.suite.record import SuiteRun

__all__ = ["render"]

_FORMATS = {"html": render_html, "markdown": render_markdown, "junit": render_junit, "json": plain_json}


def render(
    runs: Sequence[SuiteRun],
    reports: Path,
    files: Sequence[tuple[str, Path | None]],
    *,
    interrupted: bool = False,
) -> list[Path]:
    """Write the reports over all runs of a suite.

    A run that left nothing is among them, and one that never began: the suite knows of it, and what it says
    of a run counts.

    Args:
        runs: of the suite.
        reports: the folder of their folders.
        files: ``html``, ``markdown``, ``junit`` or ``json``, and the file that is asked for, if any.
        interrupted: whether the suite was ended from outside.

    Returns:
        What was written.

    Raises:
        ReportError: if a file can't be written.
    """
    records = [_record(run, reports, interrupted=interrupted) for run in runs]
    written = []
    for name, path in files:
        if path is not None:
            write_text(path, _FORMATS[name](records))
            written.append(path)
    return written


def _record(run: SuiteRun, reports: Path, *, interrupted: bool) -> RunRecord:
    if run.folder is None or run.verdict is None:
        return never_began(run, reports, interrupted=interrupted)
    return dataclasses.replace(
        read_run(reports / run.folder),
        experiment=run.experiment,
        verdict=Verdict(run.verdict),
        reasons=tuple(run.reasons),
    )
