"""Waiting until nothing moves any more: only then is something missing really lost, or there just once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from chaosp7.errors import ReaderError
from chaosp7.recorder.timeline import Timeline

__all__ = ["DrainTimes", "RowMovement", "drain", "drained"]

logger = logging.getLogger("chaostoolkit")


@dataclass(frozen=True, slots=True)
class DrainTimes:
    """How long nothing must move, seconds.

    Attributes:
        complete_s: at tiers that show everything: longer than a part of the platform takes to hand on what
            comes once more, for only where that comes next can it be seen again.
        incomplete_s: at a tier where something is missing: longer than any back-off, flush or
            poll of the platform, or what is only slow would pass for lost.
        deadline_s: for the whole drain.
    """

    complete_s: float = 1.5
    incomplete_s: float = 20.0
    deadline_s: float = 60.0


#: Counting takes at most this share of the time: what measures must not slow what is measured.
_COUNTING_SHARE = 0.2


class RowMovement:
    """When tiers were last seen to have other rows than before, though they may show nothing new.

    Args:
        rows: tier -> how many rows it has; raises `ReaderError`.
        now_ns: the monotonic clock.
    """

    def __init__(self, rows: Callable[[], Mapping[str, int]], now_ns: Callable[[], int]) -> None:
        self._rows = rows
        self._now_ns = now_ns
        self.moved_ns: dict[str, int] = {}
        """Tier -> when."""
        self._counts: Mapping[str, int] = {}
        self._due_ns = 0

    def look(self, *, now: bool = False) -> None:
        """Count, if it is time to.

        Args:
            now: whether it is time or not.

        Raises:
            ReaderError: if the rows can't be counted.
        """
        asked_ns = self._now_ns()
        if asked_ns < self._due_ns and not now:
            return
        counts = self._rows()
        counted_ns = self._now_ns()
        for tier, count in counts.items():
            # Before the first count nobody knows what they were.
            if self._counts.get(tier) != count:
                self.moved_ns[tier] = counted_ns
        self._counts = counts
        self._due_ns = counted_ns + round((counted_ns - asked_ns) * (1 / _COUNTING_SHARE - 1))


def drained(
    timelines: Mapping[str, Timeline],
    last: Mapping[str, Sequence[int]],
    times: DrainTimes,
    ended_ns: int,
    rows_moved_ns: Mapping[str, int],
    behind: bool = False,
    topics: Collection[str] = (),
) -> list[str]:
    """Return the tiers that are drained, in flow order up to the first that isn't.

    Args:
        timelines: of the tiers, in flow order.
        last: tier -> the last sequence of each feed that it can show at all.
        times: how long nothing must move.
        ended_ns: when the source stopped.
        rows_moved_ns: tier -> when its number of rows was last seen to change: what comes a second time is
            followed through the tiers, but says nothing of what is missing.
        behind: whether consumers are known to be behind: what they have yet to take will come to the
            tiers that aren't topics, if only once more, for however long nothing has moved.
        topics: the tiers that no consumer fills.
    """
    result: list[str] = []
    upstream_ns, rows_ns = ended_ns, 0
    for name, timeline in timelines.items():
        rows_ns = max(rows_ns, rows_moved_ns.get(name, 0))
        complete = timeline.complete(list(last[name]))
        # What a tier lacks may still come for as long as the tier before it moves. Whether it has moved
        # since the last look nobody knows.
        rest_ns = timeline.looked_ns - max(timeline.last_moved_ns, upstream_ns)
        needed_s = times.complete_s if complete else times.incomplete_s
        waits = (behind and name not in topics) or timeline.looked_ns - rows_ns < times.complete_s * 1e9
        if waits or rest_ns < needed_s * 1e9 or timeline.last_error() is not None:
            break
        result.append(name)
        upstream_ns = max(upstream_ns, timeline.last_moved_ns)
    return result


def drain(
    timelines: Mapping[str, Timeline],
    last: Mapping[str, Sequence[int]],
    times: DrainTimes,
    now_ns: Callable[[], int],
    sleep: Callable[[float], None],
    lag: Callable[[], int],
    rows: Callable[[], Mapping[str, int]],
    topics: Collection[str],
    on_progress: Callable[[list[str]], None] = lambda _: None,
) -> list[str]:
    """Wait until every tier is drained, or the deadline.

    Args:
        timelines: of the tiers, in flow order.
        last: tier -> the last sequence of each feed that it can show at all.
        times: how long nothing must move, and the deadline.
        now_ns: the monotonic clock.
        sleep: how to wait, seconds.
        lag: messages that consumers have not taken yet; asked when only that is left to decide.
        rows: tier -> how many rows it has, of tiers whose timelines tell only what is new: what comes
            twice is no news, but movement.
        topics: the tiers that no consumer fills.
        on_progress: called with the drained tiers about ten times a second.

    Returns:
        The tiers that are drained; all of them unless the deadline has passed. No tier is where lag or rows
        couldn't be had last.
    """
    ended_ns = now_ns()
    movement = RowMovement(rows, now_ns)
    while True:
        late = now_ns() - ended_ns > times.deadline_s * 1e9
        try:
            movement.look()
            done = drained(timelines, last, times, ended_ns, movement.moved_ns)
            if len(done) == len(timelines):
                asked_ns = now_ns()
                behind = lag() > 0
                if not behind:  # or else it isn't over, however few rows come
                    movement.look(now=True)
                    # What the topics got while the rows were counted waits to be taken again.
                    behind = any(timelines[name].last_moved_ns > asked_ns for name in topics)
                moved_ns = movement.moved_ns
                done = drained(timelines, last, times, ended_ns, moved_ns, behind=behind, topics=topics)
        except ReaderError as error:
            # A server or broker that is just being started: what it has nobody knows.
            if late:
                logger.warning("Nobody can tell whether the tiers are at rest: %s", error)
            done = []
        on_progress(done)
        if len(done) == len(timelines) or late:
            return done
        sleep(0.1)
