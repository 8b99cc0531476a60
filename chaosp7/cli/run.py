"""``chaosp7 run``: a suite of experiments."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosp7.errors import ConfigError, RunError
from chaosp7.suite.codes import EXIT_CODES

if TYPE_CHECKING:
    from chaosp7.platform.model import Platform
    from chaosp7.suite.view import View

__all__ = ["run"]

_CODES = "  ".join(f"{code} {verdict}" for verdict, code in EXIT_CODES.items())


@click.command(epilog=f"Exit codes: {_CODES}. 2 is bad usage, 1 a mistake of chaosp7's own.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(1), help="Run all so often.")
@click.option("--report", "reports", default="reports", show_default=True, type=click.Path(path_type=Path),
              help="The folder that each run and the suite get a folder in.")  # fmt: skip
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML here, too.")
@click.option("--json", "as_json", type=click.Path(path_type=Path, dir_okay=False), help="Write JSON, too.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write Markdown, too.")
@click.option("--platform", "-p", metavar="NAME",
              help="Name or file of the platform, for experiments that don't name their own.")  # fmt: skip
@click.option("--parallel", default=1, show_default=True, type=click.IntRange(1),
              help="So many platforms at once; they share nothing but the machine.")  # fmt: skip
@click.option("--fail-fast", is_flag=True, help="Begin no other run after one that isn't passed.")
def run(
    files: tuple[str, ...],
    repeat: int,
    reports: Path,
    junit: Path | None,
    as_json: Path | None,
    markdown: Path | None,
    platform: str | None,
    parallel: int,
    fail_fast: bool,
) -> None:
    """Run experiments, each in a `chaos run` of its own, and say what came of it.

    The verdict of each comes from its journal and its evidence; the gravest of the suite decides the
    exit code, and 0 means that everything passed. Ctrl-C ends the run under way: its faults are healed
    and the reports written. A second Ctrl-C kills it, and its watchdog heals.
    """
    from chaosp7.suite.codes import gravest  # noqa: PLC0415 - keeps `--help` quick
    from chaosp7.suite.job import records  # noqa: PLC0415
    from chaosp7.suite.lanes import lanes  # noqa: PLC0415
    from chaosp7.suite.record import SuiteRecord, write_suite  # noqa: PLC0415
    from chaosp7.suite.rendering import render  # noqa: PLC0415
    from chaosp7.suite.runner import SuiteRunner  # noqa: PLC0415

    formats = {"junit": junit, "json": as_json, "markdown": markdown}
    env = _platform(platform, files, parallel)
    reports = reports.absolute()
    suite = SuiteRecord(
        suite_id=f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%f')[:-3]}-suite",
        started_at=_now(),
        parallel=parallel,
        platform=platform,
        runs=records(files, repeat, reports),
    )
    folder = reports / suite.suite_id
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunError(f"the suite's folder can't be made: {error}") from error
    view = _view()
    try:
        with lanes(parallel) as environments:
            SuiteRunner(suite, reports, folder, environments, env, view, fail_fast).run()
    finally:
        view.close()
    verdict = gravest([one.verdict for one in suite.runs], interrupted=suite.interrupted)
    suite.verdict, suite.exit_code, suite.ended_at = str(verdict), EXIT_CODES[verdict], _now()
    write_suite(suite, folder)
    wanted = [("html", folder / "report.html"), *formats.items()]
    written = render(suite.runs, reports, wanted, interrupted=suite.interrupted)
    for one in suite.runs:
        reasons = f": {one.reasons[0]}" if one.reasons else ""
        click.echo(f"{one.experiment}: {one.verdict or 'not run'}{reasons}")
    click.echo(f"Suite {verdict}: {folder}{''.join(f', {path}' for path in written)}")
    sys.exit(suite.exit_code)


def _view() -> View:
    from rich.console import Console  # noqa: PLC0415

    from chaosp7.suite.live import LiveView  # noqa: PLC0415
    from chaosp7.suite.plain import PlainView  # noqa: PLC0415

    console = Console(stderr=True)
    plain = os.environ.get("NO_COLOR") or os.environ.get("CI") or not console.is_terminal
    if plain or console.is_dumb_terminal:
        return PlainView(lambda line: click.echo(line, err=True))
    return LiveView(console)


def _platform(name: str | None, files: Sequence[str], parallel: int) -> dict[str, str]:
    """Return the platform as each run's environment has it; one that can't be there twice is refused."""
    from chaosp7.platform.loader import PLATFORM_ENV, load  # noqa: PLC0415 - keeps `--help` quick

    if name is None and parallel == 1:
        return {}
    model = load(name)
    if parallel > 1:
        for one in (model, *_own_platforms(files)):
            if one.driver != "process":
                raise ConfigError(
                    f"--parallel: platform {one.name} is in containers, and there is only one of it"
                )
    return {PLATFORM_ENV: str(model.path.absolute())}


def _own_platforms(files: Sequence[str]) -> list[Platform]:
    """Return the platforms that experiments name themselves; what is wrong with one is for its run to say."""
    from chaosp7.suite.examine import examine  # noqa: PLC0415

    found = []
    logging.getLogger("chaostoolkit").setLevel(logging.CRITICAL)
    for file in files:
        with suppress(ConfigError):
            examined = examine(file)
            if examined.own_platform is not None:
                found.append(examined.model)
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
