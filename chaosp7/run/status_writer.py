"""Writes a run's status for the suite that has started it, beside the run and at little cost.

The send times come from a reader of the ledger of its own: the recorder's is closed while there is still
something to tell. Tiers are asked for what their samplers know already; nothing is sent to the platform.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chaosp7.child import given_folder
from chaosp7.errors import ChaosP7Error
from chaosp7.recorder.source import Source
from chaosp7.recorder.timeline import Timeline
from chaosp7.run.status import STATUS_FILE, Stage, Status, TierStatus, faults_under_way, write

if TYPE_CHECKING:
    from chaosp7.run.run import Run

__all__ = ["StatusWriter"]

_EVERY_S = 1.0


class StatusWriter(threading.Thread):
    """Writes until `stop`; at each change of stage, and once a second.

    It also interrupts the run if the suite that has started it is gone: nobody waits for it then.

    Args:
        run: what to tell of.
        path: the file.
    """

    def __init__(self, run: Run, path: Path) -> None:
        super().__init__(name="status", daemon=True)
        self._run = run
        self._path = path
        self._ended = threading.Event()
        self._source: Source | None = None
        self._parent = os.getppid()

    @classmethod
    def begin(cls, run: Run) -> StatusWriter | None:
        """Start one if a suite wants to know; return None otherwise."""
        folder = given_folder()
        if folder is None:
            return None
        writer = cls(run, folder / STATUS_FILE)
        writer.start()
        return writer

    def run(self) -> None:
        """Write until the end."""
        while not self._ended.is_set():
            self._write()
            if os.getppid() != self._parent:
                self._parent = os.getppid()
                os.kill(os.getpid(), signal.SIGINT)
            self._run.stages.changed.wait(_EVERY_S)
            self._run.stages.changed.clear()
        self._write()
        if self._source is not None:
            self._source.close()

    def stop(self) -> None:
        """Write a last time and end."""
        self._ended.set()
        self._run.stages.enter(Stage.ENDED)
        self.join()

    def _write(self) -> None:
        stage, since_ns = self._run.stages.now
        faults = [(f.kind, f.target, f.injected_ns, f.verified_end_ns) for f in list(self._run.faults)]
        sent, note = 0, ""
        tiers: dict[str, TierStatus] = {}
        try:
            sent, tiers = self._figures()
        except (ChaosP7Error, KeyError) as error:
            note = str(error)
        status = Status(
            experiment=self._run.plan.experiment,
            stage=stage,
            stage_since_ns=since_ns,
            written_ns=time.monotonic_ns(),
            sent=sent,
            tiers=tiers,
            faults=faults_under_way(faults),
            note=note,
        )
        try:
            write(status, self._path)
        except OSError:
            return  # a full disk is the run's to tell

    def _figures(self) -> tuple[int, dict[str, TierStatus]]:
        timelines = self._run.timelines
        if not timelines:
            return 0, {}
        if self._source is None:
            self._source = Source(self._run.ledger)
        source = self._source
        source.poll()
        last, now_ns = source.last(), time.monotonic_ns()
        sent = sum(end - first + 1 for end, first in zip(last, source.first, strict=True))
        tolerances = {name: tier.fresh_within_ms for name, tier in self._run.model.tiers.items()}
        tiers = {
            name: _tier(timeline, source, now_ns, tolerances[name]) for name, timeline in timelines.items()
        }
        return sent, tiers


def _tier(timeline: Timeline, source: Source, now_ns: int, tolerance_ms: int) -> TierStatus:
    heads = timeline.heads()
    return TierStatus(
        stale_ms=None if timeline.last_error() else max(0, source.age_ns(heads, now_ns)) // 1_000_000,
        tolerance_ms=tolerance_ms,
        visible=sum(
            max(0, min(head, end) - first + 1)
            for head, end, first in zip(heads, source.last(), source.first, strict=True)
        ),
    )
