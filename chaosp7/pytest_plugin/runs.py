"""From a test to its run and back."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chaosp7.errors import ChaosP7Error, ConfigError
from chaosp7.measure.messages import Messages
from chaosp7.pytest_plugin.platforms import PlatformUp

__all__ = ["begin", "end", "in_brief"]

_GIVEN_BY_US = ("name", "platform", "reports")


@contextmanager
def in_brief() -> Iterator[None]:
    """Have what a fixture raises on purpose fail the test with its words alone: a trace tells nobody more."""
    try:
        yield
    except (ChaosP7Error, AssertionError) as error:
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        notes: list[str] = getattr(error, "__notes__", [])
        raise pytest.fail.Exception("\n".join([f"{kind}{error}", *notes]), pytrace=False) from None


def begin(node: pytest.Item, platform: PlatformUp) -> Messages:
    """Begin the run of a test.

    Args:
        node: the test.
        platform: it is up.

    Raises:
        ChaosP7Error: as of `Messages.begin`.
    """
    config = node.config
    reports = config.getoption("--chaosp7-reports") or config.rootpath / config.getini("chaosp7_reports")
    return Messages.begin(
        re.sub(r"[^A-Za-z0-9._-]+", "-", f"{node.path.stem}.{node.name}").strip("-"),
        platform=str(platform.model.path),
        reports=str(reports),
        **_options(node),
    )


def end(messages: Messages, outcome: str | None) -> None:
    """End the run of a test.

    Args:
        messages: the run's.
        outcome: why the test failed, in words; empty if it passed, None if it has no outcome.

    Raises:
        AssertionError: as of `Messages.close`.
    """
    messages.close(outcome or "", interrupted=outcome is None)


def _options(node: pytest.Item) -> dict[str, Any]:
    marker = node.get_closest_marker("chaosp7")
    if marker is None:
        return {}
    known = [name for name in inspect.signature(Messages.begin).parameters if name not in _GIVEN_BY_US]
    if marker.args:
        raise ConfigError(f"the marker chaosp7 takes its arguments by name: {', '.join(known)}")
    if unknown := set(marker.kwargs) - {*known, "platform"}:
        raise ConfigError(
            f"the marker chaosp7 has no {', '.join(sorted(unknown))}; it has: platform, {', '.join(known)}"
        )
    return {name: value for name, value in marker.kwargs.items() if name != "platform"}
