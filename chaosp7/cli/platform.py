"""``chaosp7 platform``: bring an embedded platform up and down, and look at it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from chaosp7.cli.progress import provisioning_lines, status_lines
from chaosp7.cli.tables import print_table
from chaosp7.embedded.logtail import last_lines
from chaosp7.errors import NotRunningError, PlatformError
from chaosp7.platform.driver import Driver, Phase, PlatformStatus, ServiceStatus
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.loader import load

__all__ = ["platform"]

_EXIT_NOT_HEALTHY = 1
_EXIT_NOT_RUNNING = 3
_FOLLOW_EVERY_S = 0.2

_STYLES = {
    "healthy": "green",
    "starting": "yellow",
    "backing-off": "yellow",
    "unhealthy": "red",
    "stopped": "red",
}


@click.group()
def platform() -> None:
    """Bring an embedded platform up and down, and look at it."""


def _which(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which platform is meant."""
    command = click.option("--name", help="What this platform is called.  [default: as in its file]")(command)
    text = "Its file, or the name of one in platforms/.  [default: $CHAOSP7_PLATFORM, or embedded]"
    return click.option("--platform", "-p", "file", metavar="FILE", help=text)(command)


def _driver(file: str | None, name: str | None) -> Driver:
    # A platform that has a name can be looked at and ended whatever has become of its file.
    return open_driver(name=name) if name and not file else open_driver(load(file), name)


@platform.command()
@_which
@click.option("--keep-data", is_flag=True, help="Go on with the data and ports of its last life.")
@click.option(
    "--timeout", "timeout_s", default=120.0, show_default=True, help="Give up after so many seconds."
)
def up(file: str | None, name: str | None, keep_data: bool, timeout_s: float) -> None:
    """Start the platform and wait until all of it is healthy.

    One that runs already is left as it is. On Ctrl-C everything that was started is ended.
    """
    driver = open_driver(load(file), name)
    already = driver.running()
    started_s = time.monotonic()
    with provisioning_lines() as provisioning:
        driver.up(
            keep_data=keep_data,
            timeout_s=timeout_s,
            provisioning=provisioning,
            listener=None if already else status_lines(),
        )
    took = "runs already" if already else f"is up after {time.monotonic() - started_s:.1f} s"
    click.echo(f"Platform {driver.name} {took}.", err=True)
    _print(driver, driver.platform_status())


@platform.command()
@_which
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def status(file: str | None, name: str | None, as_json: bool) -> None:
    """Print the state of each service.

    Exit code: 0 if all are healthy, 1 if not, 3 if the platform isn't running.
    """
    driver = _driver(file, name)
    try:
        now = driver.platform_status()
    except NotRunningError as error:
        if as_json:
            click.echo(json.dumps({"name": driver.name, "running": False, "detail": str(error)}))
        else:
            click.echo(f"chaosp7: {error}", err=True)
        sys.exit(_EXIT_NOT_RUNNING)
    if as_json:
        click.echo(json.dumps(_plain(driver, now)))
    else:
        _print(driver, now)
    if now.phase is not Phase.UP or not all(service.healthy for service in now.services.values()):
        sys.exit(_EXIT_NOT_HEALTHY)


@platform.command()
@_which
@click.option(
    "--timeout", "timeout_s", default=60.0, show_default=True, help="Kill what hasn't ended by then, s."
)
def down(file: str | None, name: str | None, timeout_s: float) -> None:
    """End the platform and every process of it; its logs, ledgers and data stay."""
    driver = _driver(file, name)
    started_s = time.monotonic()
    if driver.down(timeout_s):
        click.echo(f"Platform {driver.name} was ended in {time.monotonic() - started_s:.1f} s.", err=True)
    else:
        click.echo(f"Platform {driver.name} wasn't running.", err=True)


@platform.command()
@_which
@click.argument("service")
@click.option("--lines", "-n", default=50, show_default=True, help="How many of its last lines.")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what is logged, until Ctrl-C.")
def logs(file: str | None, name: str | None, service: str, lines: int, follow: bool) -> None:
    """Print the log of a SERVICE, also of one that has ended; `supervisor` has one too."""
    driver = _driver(file, name)
    others = {"supervisor": driver.state.supervisor_log}
    others |= {task: driver.state.log(task) for task in driver.plan.tasks}
    path = others.get(service) or driver.log(service)
    for line in last_lines(path, lines):
        click.echo(line)
    if follow:
        with suppress(KeyboardInterrupt):
            _follow(path)


def _follow(path: Path) -> None:
    if not path.exists():
        raise PlatformError(f"there is no log yet: {path}")
    with path.open(encoding="utf-8", errors="replace") as file:
        file.seek(0, 2)
        while True:
            more = file.read()
            if more:
                click.echo(more, nl=False)
            else:
                time.sleep(_FOLLOW_EVERY_S)


def _uptime_s(service: ServiceStatus, now_ns: int) -> float | None:
    return (now_ns - service.started_ns) / 1e9 if service.started_ns is not None else None


def _plain(driver: Driver, now: PlatformStatus) -> dict[str, Any]:
    services = {
        name: {
            **msgspec.to_builtins(service),
            "pid": service.pid,
            "healthy": service.healthy,
            "uptime_s": _uptime_s(service, now.now_ns),
            "endpoint": driver.endpoint(name),
        }
        for name, service in now.services.items()
    }
    return {
        "name": driver.name,
        "running": True,
        "phase": now.phase,
        "supervisor_pid": now.supervisor_pid,
        "state_dir": str(driver.state.path),
        "services": services,
    }


def _print(driver: Driver, now: PlatformStatus) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("SERVICE", "STATE", "PID", "UPTIME", "RESTARTS", "ENDPOINT", "DETAIL"):
        numeric = column in {"PID", "UPTIME", "RESTARTS"}
        table.add_column(column, justify="right" if numeric else "left", no_wrap=column != "DETAIL")
    for name, service in now.services.items():
        uptime_s = _uptime_s(service, now.now_ns)
        table.add_row(
            name,
            f"[{_STYLES[service.state]}]{service.state}[/]",
            str(service.pid or "-"),
            "-" if uptime_s is None else f"{uptime_s:.1f} s",
            str(service.restarts),
            driver.endpoint(name),
            service.detail.replace("[", r"\["),
        )
    print_table(table)
