"""How far a run is, in a small file that is replaced whole about once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from chaosp7.whole_file import write_whole

__all__ = ["STATUS_FILE", "Stage", "Stages", "Status", "TierStatus", "faults_under_way", "read", "write"]

#: Its name, in the run's folder.
STATUS_FILE = "status.json"


class Stage(StrEnum):
    """What a run is at, in order."""

    STARTING = "starting"
    STEADY_STATE = "steady state"
    METHOD = "method"
    LOAD = "load goes on"
    DRAIN = "drain"
    ACCOUNT = "account"
    STEADY_STATE_AFTER = "steady state after"
    ROLLBACKS = "rollbacks"
    CONCLUDING = "concluding"
    ENDED = "ended"


class TierStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One tier now.

    Attributes:
        stale_ms: its freshness, milliseconds; None if it can't be read.
        tolerance_ms: up to which it counts as fresh.
        visible: messages of the run up to which nothing is missing, over all feeds.
    """

    stale_ms: int | None
    tolerance_ms: int
    visible: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A run now. Nothing of it is evidence.

    Attributes:
        stage_since_ns: when the stage began, monotonic.
        written_ns: when this was written, monotonic.
        sent: messages so far.
        faults: what is injected and not undone yet, in words.
        note: why the figures are missing, if they are.
    """

    experiment: str
    stage: Stage
    stage_since_ns: int
    written_ns: int
    sent: int = 0
    tiers: dict[str, TierStatus] = {}
    faults: Sequence[str] = ()
    note: str = ""


class Stages:
    """The stage a run is at; any thread may look.

    Attributes:
        changed: set at each change.
    """

    def __init__(self) -> None:
        self.changed = threading.Event()
        self._now = (Stage.STARTING, time.monotonic_ns())

    @property
    def now(self) -> tuple[Stage, int]:
        """The stage, and since when (monotonic nanoseconds)."""
        return self._now

    def enter(self, stage: Stage) -> None:
        """Note that a stage begins."""
        self._now = (stage, time.monotonic_ns())
        self.changed.set()


def faults_under_way(faults: Sequence[tuple[str, str, int | None, int | None]]) -> tuple[str, ...]:
    """Return what is injected and not undone.

    Args:
        faults: kind, target, when it was ordered, when it was seen to be undone.
    """
    return tuple(f"{kind} {target}" for kind, target, begun, ended in faults if begun and not ended)


def write(status: Status, path: Path) -> None:
    """Replace the file; a reader sees the old or the new one.

    Raises:
        OSError: if it can't be written.
    """
    write_whole(path, msgspec.json.encode(status))


def read(path: Path) -> Status | None:
    """Return what a run has written; None if there is nothing, or nothing to be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None
