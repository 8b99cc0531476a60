"""``chaosp7 history``: how runs have developed."""

from __future__ import annotations

from pathlib import Path

import click

from chaosp7.report.files import write_text
from chaosp7.report.sentences import plural
from chaosp7.suite.history import Trend, recent, trends
from chaosp7.suite.history_chart import recovery_text, seconds_of
from chaosp7.suite.history_page import page
from chaosp7.suite.saved import all_runs

__all__ = ["history"]


@click.command()
@click.option(
    "--report",
    "reports",
    default="reports",
    show_default=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where runs are kept.",
)
def history(reports: Path) -> None:
    """Print how each experiment's runs have developed, and write index.html beside them.

    Recovery that is slower than the last ten runs' spread allows is marked: docs/suite.md has the rule.
    """
    runs, problems = all_runs(reports)
    found = trends(runs)
    index = reports / "index.html"
    with_report = {run.run_id for run in runs if (reports / run.run_id / "report.html").exists()}
    write_text(index, page(found, problems, with_report))
    for trend in found:
        _print(trend)
    for problem in problems:
        click.echo(problem, err=True)
    click.echo(f"{plural(len(runs), 'run')}: {index}", err=True)


def _print(trend: Trend) -> None:
    last = trend.points[-1]
    regressions = sum(1 for point in trend.points if point.regressions)
    click.echo(f"{trend.experiment} ({trend.conditions}): n={len(trend.points)}, last {last.run.verdict}")
    for tier, one in last.recovery.items():
        late = recent(trend, tier)
        if late is not None:
            words = [seconds_of(s) for s in (late.median_s, late.least_s, late.greatest_s)]
            before = f", median of {late.n}: {words[0]} ({words[1]} to {words[2]})" if late.n > 1 else ""
            click.echo(f"  {tier}: {recovery_text(one)}{before}")
    if last.regressions:
        click.echo(f"  REGRESSION: slower than the runs before allow: {', '.join(last.regressions)}")
    elif not last.judged:
        click.echo("  too few comparable runs to judge")
    if regressions:
        click.echo(f"  {regressions} of these runs were marked")
