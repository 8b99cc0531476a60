"""Annotates faults in Grafana while they happen, from a thread that nothing waits for.

It looks at the records that faults fill in, so that no fault knows of it or is held up by it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaosp7.errors import ConfigError, ExportError
from chaosp7.exports.grafana import Annotation, Grafana, NotReachedError, grafana_of
from chaosp7.run.evidence import ClockAnchor, FaultRecord
from chaosp7.run.wall_clock import clock_time, wall_ns

__all__ = ["Annotator", "annotation_of"]

logger = logging.getLogger("chaostoolkit")

_LOOK_EVERY_S = 0.2
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 15.0


@dataclass(slots=True)
class _Told:
    """What Grafana knows of a fault.

    Attributes:
        number: the annotation's id; None before it has one.
        known: what was sent last.
        given_up: Grafana has refused it, or may hold it without our knowing.
    """

    number: int | None = None
    known: Annotation | None = None
    given_up: bool = False


class Annotator(threading.Thread):
    """Looks and posts until `finish`, and then once more.

    Args:
        grafana: where to.
        faults: the records of the run's faults so far, always the same ones in the same order.
        tags: of every annotation.
        run_id: shown in its text.
        clock: ties the records' times to the wall clock.
    """

    def __init__(
        self,
        grafana: Grafana,
        faults: Callable[[], Sequence[FaultRecord]],
        tags: Sequence[str],
        run_id: str,
        clock: ClockAnchor,
    ) -> None:
        super().__init__(name="annotations", daemon=True)
        self._grafana = grafana
        self._faults = faults
        self._tags = tags
        self._run_id = run_id
        self._clock = clock
        self._told: list[_Told] = []
        self._ended = threading.Event()
        self._given_up = False
        self._warned: set[str] = set()
        self._pause_s = _FIRST_PAUSE_S
        self._not_before_s = 0.0

    @classmethod
    def begin(
        cls, faults: Callable[[], Sequence[FaultRecord]], experiment: str, platform: str, run_id: str
    ) -> Annotator | None:
        """Start one if the environment names a Grafana; return None otherwise.

        Args:
            faults: the records of the run's faults so far.
            experiment: its title.
            platform: its name.
            run_id: the run's.
        """
        try:
            grafana = grafana_of()
        except ConfigError as error:
            logger.warning("No annotations: %s", error)
            return None
        if grafana is None:
            return None
        clock = ClockAnchor(monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns())
        tags = ["chaosp7", f"experiment:{experiment}", f"platform:{platform}"]
        annotator = cls(grafana, faults, tags, run_id, clock)
        try:
            annotator.start()
        except RuntimeError as error:
            logger.warning("No annotations: %s", error)
            return None
        return annotator

    def run(self) -> None:
        """Post until the end."""
        while not self._ended.wait(_LOOK_EVERY_S):
            if time.monotonic() >= self._not_before_s:
                self._look()
        self._look()

    def finish(self) -> None:
        """From now on nothing new comes: what isn't known yet is sent, and the thread ends."""
        self._ended.set()

    def wait(self, limit_s: float) -> None:
        """Wait for it to end, after `finish`.

        Args:
            limit_s: at most so long, seconds.
        """
        self.join(limit_s)
        self._given_up = self.is_alive()
        missing = sum(not self._complete(i) for i in range(len(self._faults())))
        if missing:
            logger.warning("%s: annotations that are missing or have no end: %d", self._grafana.host, missing)

    def _complete(self, index: int) -> bool:
        if self._faults()[index].injected_ns is None:
            return True
        return index < len(self._told) and self._told[index].known == self._wanted(index)

    def _wanted(self, index: int) -> Annotation | None:
        return annotation_of(self._faults()[index], self._tags, self._run_id, self._clock)

    def _look(self) -> None:
        try:
            for index in range(len(self._faults())):
                if index == len(self._told):
                    self._told.append(_Told())
                self._tell(self._told[index], self._wanted(index))
        except NotReachedError as error:
            self._not_before_s = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._warn(str(error))
        except Exception as error:
            logger.warning("No annotation: %s", type(error).__name__, exc_info=error)
            self._not_before_s = math.inf
        else:
            self._pause_s = _FIRST_PAUSE_S

    def _tell(self, told: _Told, wanted: Annotation | None) -> None:
        if wanted is None or told.given_up or told.known == wanted:
            return
        try:
            if told.number is None:
                told.number = self._grafana.post(wanted)
            else:
                self._grafana.patch(told.number, wanted)
        except NotReachedError:
            raise
        except ExportError as error:
            # To try again could write it twice, or be refused each time.
            told.given_up = True
            self._warn(str(error))
        else:
            told.known = wanted

    def _warn(self, text: str) -> None:
        if text not in self._warned and not self._given_up:
            self._warned.add(text)
            logger.warning("No annotation: %s", text)


def annotation_of(
    fault: FaultRecord, tags: Sequence[str], run_id: str, clock: ClockAnchor
) -> Annotation | None:
    """Return the annotation of a fault as it is now; None before it was ordered. Pure.

    It begins when the fault was ordered and ends when it was seen to be undone: outside of it nothing was
    disturbed.
    """
    injected_ns, end_ns = fault.injected_ns, fault.verified_end_ns
    if injected_ns is None:
        return None
    lines = [f"{fault.kind} {fault.target}", run_id]
    if end_ns is not None:
        begun_ns = fault.verified_start_ns
        seen = (
            "never seen to take effect"
            if begun_ns is None
            else f"in force from {clock_time(begun_ns, clock)} UTC"
        )
        lines.append(f"{seen}, seen to be undone at {clock_time(end_ns, clock)} UTC")
        if not fault.lasted:
            lines.append("not in force for as long as asked")
    return Annotation(
        start_ms=wall_ns(clock, injected_ns) // 1_000_000,
        end_ms=None if end_ns is None else -(-wall_ns(clock, end_ns) // 1_000_000),
        text="\n".join(lines),
        tags=[*tags, f"fault:{fault.kind}", f"target:{fault.target}"],
    )
