"""``chaosp7 history``: how runs have developed."""

from __future__ import annotations

from pathlib import Path

import click

from chaosp7.errors import RunError
from chaosp7.suite.history import Trend, trends
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
    temporary = reports / ".index.html.tmp"
    try:
        temporary.write_text(page(found, problems), encoding="utf-8")
        temporary.replace(index)
    except OSError as error:
        raise RunError(f"{index} can't be written: {error.strerror}") from error
    for trend in found:
        _print(trend)
    for problem in problems:
        click.echo(problem, err=True)
    click.echo(f"{len(runs)} runs: {index}", err=True)


def _print(trend: Trend) -> None:
    last = trend.points[-1]
    regressions = sum(1 for point in trend.points if point.regressions)
    click.echo(f"{trend.experiment} ({trend.conditions}): n={len(trend.points)}, last {last.run.verdict}")
    if last.recovery:
        click.echo(
            "  "
            + "  ".join(f"{t} {r.seconds:.2f} s ± {r.uncertainty_s:.2f}" for t, r in last.recovery.items())
        )
    if last.regressions:
        click.echo(f"  REGRESSION: slower than the runs before allow: {', '.join(last.regressions)}")
    elif not last.judged:
        click.echo("  too few comparable runs to judge")
    if regressions:
        click.echo(f"  {regressions} of these runs were marked")
