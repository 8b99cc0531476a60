"""``chaosp7 compare``: two runs or suites side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from chaosp7.suite.compare import WRONG, Comparison, Side
from chaosp7.suite.compare import compare as compare_runs
from chaosp7.suite.saved import runs_of

__all__ = ["compare"]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("run", type=_FOLDER)
@click.argument("other", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(run: Path, other: Path, as_json: bool) -> None:
    """Print two runs or suites side by side: verdicts, recovery of each tier, lost and wrong messages.

    RUN and OTHER are folders under reports/. Recovery is called slower or faster only if the intervals
    of both sides, uncertainties included, have nothing in common. Only runs that passed or deviated have
    figures.
    """
    found = compare_runs(runs_of(run), runs_of(other))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    for one in found:
        _print(one)


def _print(one: Comparison) -> None:
    left, right = (", ".join(v) or "not run" for v in (one.verdicts, one.other_verdicts))
    click.echo(f"{one.experiment}: {left} | {right}")
    for difference in one.differs:
        click.echo(f"  not alike in {difference}")
    for tier in one.tiers:
        # A class that one side has something in is told of both.
        wrong = [kind for kind in WRONG if getattr(tier.one, kind) or getattr(tier.other, kind)]
        left, right = (f"{_recovery(side)}{_account(side, wrong)}" for side in (tier.one, tier.other))
        click.echo(f"  {tier.tier:8} {left:38} | {right:38} {tier.change}")


def _recovery(side: Side) -> str:
    if not side.n:
        return "not measured"
    if side.recovery_s is None or side.high_s is None:
        return f"not recovered (n={side.n})"
    return f"{side.recovery_s:.2f} s [{side.low_s:.2f}, {side.high_s:.2f}] n={side.n}"


def _account(side: Side, wrong: Sequence[str]) -> str:
    if side.lost is None:
        return ""
    late = f" or late ({side.late:,} late)" if side.late else ""
    return f", {side.lost:,} lost{late}" + "".join(f", {getattr(side, kind):,} {kind}" for kind in wrong)
