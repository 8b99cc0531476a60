"""``chaosp7 provision``: get the parts that the Python package index doesn't have."""

from __future__ import annotations

import threading
import time

import click

from chaosp7.embedded import provision as provisioning

__all__ = ["provision"]

_REMIND_EVERY_S = 15.0


@click.command()
@click.option(
    "--only",
    "names",
    multiple=True,
    type=click.Choice(provisioning.ALL),
    help="Get just this part; may be given several times.  [default: all]",
)
def provision(names: tuple[str, ...]) -> None:
    """Get broker, Toxiproxy and S3 gateway into the per-user cache; once per user."""
    started_s = time.monotonic()
    lock = threading.Lock()
    going: dict[str, str] = {}

    def say(part: str, message: str, done: bool) -> None:
        with lock:
            going[part] = message
            if done:
                del going[part]
            click.echo(f"[{time.monotonic() - started_s:5.0f} s] {message}", err=True)

    ended = threading.Event()

    def remind() -> None:
        # A build is silent for a minute: say that it still goes on.
        while not ended.wait(_REMIND_EVERY_S):
            with lock:
                for message in going.values():
                    click.echo(f"[{time.monotonic() - started_s:5.0f} s] still {message}", err=True)

    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        provisioning.parts(names or provisioning.ALL, say)
    finally:
        ended.set()
        reminder.join()
    click.echo("All parts are there.", err=True)
