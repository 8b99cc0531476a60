"""``chaosp7 list``: what experiments there are."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from chaosp7.cli.tables import print_table
from chaosp7.errors import ConfigError
from chaosp7.suite.examine import Examined, examine

__all__ = ["list_experiments"]

_EXIT_WRONG = 1


@click.command(name="list")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_experiments(files: tuple[str, ...], as_json: bool) -> None:
    """Print what experiments do: faults, budget, duration, platform.

    Without FILES those in experiments/. Exit code 1 if one can't be read.
    """
    logging.getLogger("chaostoolkit").setLevel(logging.CRITICAL)
    found, wrong = [], []
    for file in files or sorted(str(path) for path in Path("experiments").glob("*.json")):
        try:
            found.append(_plain(examine(file)))
        except ConfigError as error:
            wrong.append(f"{file}: {str(error).removeprefix(f'{file}: ')}")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print(found)
    for problem in wrong:
        click.echo(problem, err=True)
    if wrong or not found:
        if not (wrong or found):
            click.echo("there are no experiments/*.json here", err=True)
        sys.exit(_EXIT_WRONG)


def _plain(one: Examined) -> dict[str, Any]:
    return {
        "file": one.path,
        "title": one.plan.experiment,
        "description": one.content.get("description"),
        "faults": [{"kind": kind, "target": target} for kind, target in one.faults],
        "faults_expected": one.plan.faults_expected,
        "budget": msgspec.to_builtins(one.plan.budget),
        "load_s": one.plan.duration_s,
        "rate_per_s": one.plan.rate_per_s,
        "expected_s": one.expected_s,
        "platform": one.model.name,
        "needs_platform": one.own_platform,
        "driver": one.model.driver,
    }


def _print(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("TITLE", "FAULTS", "BUDGET", "ABOUT", "PLATFORM"):
        # A title is what is typed next: it isn't cut off.
        table.add_column(
            column,
            justify="right" if column == "ABOUT" else "left",
            no_wrap=column == "TITLE",
            overflow="fold",
        )
    for one in found:
        faults = [f"{fault['kind']} {fault['target']}" for fault in one["faults"]]
        untold = one["faults_expected"] - len(faults)
        faults += [f"{untold} that only a running platform can tell"] if untold > 0 else []
        needs = f"its own: {one['needs_platform']}" if one["needs_platform"] else "any"
        row = (
            one["title"],
            ", ".join(faults) or "none",
            _budget(one["budget"]),
            f"{one['expected_s']:.0f} s",
        )
        table.add_row(*(cell.replace("[", r"\[") for cell in (*row, needs)))
    print_table(table)


def _budget(budget: dict[str, Any]) -> str:
    limit = [f"{budget['recovery_s']:g} s"] if budget["recovery_s"] is not None else []
    allowed = [f"{key} {value}" for key, value in budget.items() if key != "recovery_s" and value]
    return ", ".join([*limit, *allowed, f"nothing {'else ' if allowed else ''}lost or wrong"])
