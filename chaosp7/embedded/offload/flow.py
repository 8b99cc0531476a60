"""The offload as one function: what an orchestrator runs every some minutes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaosp7.embedded.offload.crash_points import CrashPoints
from chaosp7.embedded.offload.cycle import Offload
from chaosp7.embedded.offload.retry import Backoff
from chaosp7.embedded.offload.source import Source
from chaosp7.embedded.offload.statistics import Statistics
from chaosp7.embedded.offload.watermarks import open_watermarks
from chaosp7.errors import OffloadError

__all__ = ["Settings", "drain", "flow", "open_offload"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an offload works on.

    Attributes:
        clickhouse: ClickHouse's HTTP port, ``host:port``.
        catalog: PyIceberg's properties of the catalog and of the object store.
        folder: for its watermarks, if they are a file.
        watermarks: ``postgresql://...``, or empty for a file in the folder.
        rows_max: most rows of an increment, if more than one batch.
        timeout_s: limit for each wait for an answer of ClickHouse, seconds.
    """

    clickhouse: str
    catalog: Mapping[str, str]
    folder: Path
    watermarks: str = ""
    rows_max: int = 100_000
    timeout_s: float = 5.0


def open_offload(
    settings: Settings, points: CrashPoints | None = None, make: Callable[..., Offload] = Offload
) -> Offload:
    """Return an offload; nothing is asked of anybody yet but its own watermarks.

    Args:
        settings: what it works on.
        points: where it may be told to die.
        make: makes it; takes what `Offload` does.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    source = Source(settings.clickhouse, settings.rows_max, read_timeout_s=settings.timeout_s)
    watermarks = open_watermarks(settings.watermarks, settings.folder)
    return make(source, settings.catalog, watermarks, points or CrashPoints())


def flow(
    settings: Settings,
    tries: int = 4,
    backoff: Backoff | None = None,
    sleep: Callable[[float], None] = time.sleep,
    points: CrashPoints | None = None,
) -> Statistics:
    """Offload everything that is there now; the task or flow of an orchestrator calls just this.

    Args:
        settings: what it works on.
        tries: how often a cycle is tried before the run has failed.
        backoff: how long to wait in between.
        sleep: waits so many seconds.
        points: where it may be told to die.

    Returns:
        What was done.

    Raises:
        OffloadError: the last try's failure. The run may be repeated at will.
    """
    return drain(open_offload(settings, points), tries, backoff, sleep)


def drain(
    offload: Offload,
    tries: int,
    backoff: Backoff | None = None,
    sleep: Callable[[float], None] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> Statistics:
    """Have an offload bring over everything that is there now.

    Args:
        offload: may have run before; its statistics go on.
        tries: how often a cycle is tried before this has failed.
        backoff: how long to wait in between.
        sleep: waits so many seconds.
        stopped: whether to end after the cycle at hand.

    Returns:
        What the offload has done since it was opened.

    Raises:
        OffloadError: the last try's failure.
    """
    backoff = backoff or Backoff()
    statistics = offload.statistics
    failures = 0
    more = True
    while more:
        try:
            more = offload.cycle() and not stopped()
            failures = 0
        except OffloadError as error:
            failures += 1
            _log.error("try %d of %d failed: %s", failures, tries, error)
            if failures >= tries or stopped():
                raise
            sleep(backoff.wait_s(failures))
            statistics.retries += 1
    return statistics
