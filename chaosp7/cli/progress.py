"""Progress of slow things as lines on stderr, on a terminal and in a log alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from chaosp7.embedded.provision import Progress
from chaosp7.embedded.supervisor.protocol import PlatformStatus, ServiceState

__all__ = ["provisioning_lines", "status_lines"]

_REMIND_EVERY_S = 15.0


@contextmanager
def provisioning_lines() -> Iterator[Progress]:
    """Give a listener that says what provisioning does, and every now and then that it still does."""
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
        yield say
    finally:
        ended.set()
        reminder.join()


def status_lines() -> Callable[[PlatformStatus], None]:
    """Return a listener that says once of each service that it is healthy, and what is waited for."""
    said: set[str] = set()
    started_s = time.monotonic()
    spoke_s = started_s

    def listen(status: PlatformStatus) -> None:
        nonlocal spoke_s
        now_s = time.monotonic()
        for name, service in status.services.items():
            if service.healthy and name not in said:
                said.add(name)
                spoke_s = now_s
                click.echo(f"[{now_s - started_s:5.1f} s] {name} is healthy", err=True)
        if now_s - spoke_s > _REMIND_EVERY_S:
            spoke_s = now_s
            waiting = [
                f"{name} ({service.detail})" if service.state is ServiceState.STARTING else name
                for name, service in status.services.items()
                if not service.healthy
            ]
            click.echo(f"[{now_s - started_s:5.1f} s] still waiting for {', '.join(waiting)}", err=True)

    return listen
