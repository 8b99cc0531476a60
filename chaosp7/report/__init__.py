"""Reports: from saved evidence to a page, Markdown, JUnit and JSON. Nothing is measured here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chaosp7.report.files import write_text
from chaosp7.report.gather import read_runs
from chaosp7.report.html import html as render_html
from chaosp7.report.junit import junit as render_junit
from chaosp7.report.markdown import markdown as render_markdown
from chaosp7.report.plain import plain_json
from chaosp7.report.records import RunRecord, read_run
from chaosp7.report.sentences import suite_sentence, suite_verdict

__all__ = ["RunRecord", "read_run", "read_runs", "suite_sentence", "suite_verdict", "write"]


def write(
    runs: Sequence[Path],
    html: Path | None = None,
    markdown: Path | None = None,
    junit: Path | None = None,
    json: Path | None = None,
) -> list[RunRecord]:
    """Write reports of some runs, each file whole or not at all.

    Args:
        runs: folders of runs, folders above them, or files of evidence.
        html: the page to write.
        markdown: the tracker's tables.
        junit: JUnit XML, a run being a case.
        json: everything in one JSON document.

    Returns:
        The runs that the reports are about.

    Raises:
        ConfigError: if there is no run in one of the paths.
        ReportError: if a file can't be written.
    """
    records = read_runs(runs)
    for path, render in (
        (html, render_html), (markdown, render_markdown), (junit, render_junit), (json, plain_json),
    ):  # fmt: skip
        if path is not None:
            write_text(path, render(records))
    return records
