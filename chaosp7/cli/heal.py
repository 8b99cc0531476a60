"""``chaosp7 heal``: undo what a run that died has left."""

from __future__ import annotations

import sys

import click

from chaosp7.platform.drivers import open_driver
from chaosp7.platform.loader import load
from chaosp7.safety.fault_ledger import OpenFault
from chaosp7.safety.heal import heal as heal_faults
from chaosp7.safety.heal import ledger_of, leftovers

__all__ = ["heal"]

_EXIT_LEFT = 1


@click.command()
@click.option(
    "--platform",
    "-p",
    "file",
    metavar="FILE",
    help="Its file, or the name of one in platforms/.  [default: $CHAOSP7_PLATFORM, or embedded]",
)
@click.option("--name", help="What the platform is called.  [default: as in its file]")
@click.option("--run", help="Only the faults of this run, also if it still goes on.")
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if anything is left.")
@click.option(
    "--timeout", "timeout_s", default=30.0, show_default=True, help="Give up after so many seconds."
)
def heal(file: str | None, name: str | None, run: str | None, check: bool, timeout_s: float) -> None:
    """Undo every fault that a run has left behind.

    What is undone and how stands in the fault ledger, which is written before a fault is injected.
    Usually the watchdog has done it all within seconds of the run's death.
    """
    driver = open_driver(name=name) if name and not file else open_driver(load(file), name)
    faults = ledger_of(driver).open_faults(run) if run else leftovers(driver)
    if not faults:
        click.echo("Nothing is left to heal.", err=True)
        return
    if check:
        for fault in faults:
            click.echo(f"left: {_described(fault)}", err=True)
        sys.exit(_EXIT_LEFT)
    heal_faults(
        driver, faults, "heal", timeout_s, lambda fault: click.echo(f"healed: {_described(fault)}", err=True)
    )


def _described(fault: OpenFault) -> str:
    return f"{fault.kind} {fault.target} of run {fault.run}"
