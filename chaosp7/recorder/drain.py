"""Waiting until nothing moves any more: only then is something missing really lost, or there just once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chaosp7.recorder.timeline import Timeline

__all__ = ["DrainTimes", "drain", "drained"]


@dataclass(frozen=True, slots=True)
class DrainTimes:
    """How long nothing must move, seconds.

    Attributes:
        complete_s: at a tier that shows everything: catches doubles that come late.
        incomplete_s: at a tier where something is missing: longer than any back-off, flush or
            poll of the platform, or what is only slow would pass for lost.
        deadline_s: for the whole drain.
    """

    complete_s: float = 0.5
    incomplete_s: float = 20.0
    deadline_s: float = 60.0


def drained(
    timelines: Mapping[str, Timeline],
    last: Mapping[str, Sequence[int]],
    times: DrainTimes,
    ended_ns: int,
    behind: bool = False,
) -> list[str]:
    """Return the tiers that are drained, in flow order up to the first that isn't.

    Args:
        timelines: of the tiers, in flow order.
        last: tier -> the last sequence of each feed that it can show at all.
        times: how long nothing must move.
        ended_ns: when the source stopped.
        behind: whether consumers are known to be behind: what they have yet to take will come to the
            tiers after the first, if only once more, for however long nothing has moved.
    """
    result: list[str] = []
    upstream_ns = ended_ns
    for name, timeline in timelines.items():
        complete = timeline.complete(list(last[name]))
        # What a tier lacks may still come for as long as the tier before it moves. Whether it has moved
        # since the last look nobody knows.
        rest_ns = timeline.looked_ns - max(timeline.last_moved_ns, upstream_ns)
        needed_s = times.complete_s if complete else times.incomplete_s
        waits = behind and bool(result)
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
    on_progress: Callable[[list[str]], None] = lambda _: None,
) -> list[str]:
    """Wait until every tier is drained, or the deadline.

    Args:
        timelines: of the tiers, in flow order.
        last: tier -> the last sequence of each feed that it can show at all.
        times: how long nothing must move, and the deadline.
        now_ns: the monotonic clock.
        sleep: how to wait, seconds.
        lag: messages that consumers have not taken yet; asked when nothing else is left to decide.
        rows: tier -> how many rows it has, of those tiers whose timeline tells only what is new; asked
            last. They must stay the same for ``complete_s``: what comes twice is no news.
        on_progress: called with the drained tiers about ten times a second.

    Returns:
        The tiers that are drained; all of them unless the deadline has passed.
    """
    ended_ns = now_ns()
    counted = _Counted(rows, now_ns)
    while True:
        done = drained(timelines, last, times, ended_ns)
        if len(done) == len(timelines):
            if lag() > 0:
                done = drained(timelines, last, times, ended_ns, behind=True)
            elif moving := counted.not_held_for(times.complete_s):
                done = done[: min(map(done.index, moving))]
        on_progress(done)
        if len(done) == len(timelines) or now_ns() - ended_ns > times.deadline_s * 1e9:
            return done
        sleep(0.1)


class _Counted:
    """How many rows tiers have, and since when."""

    def __init__(self, rows: Callable[[], Mapping[str, int]], now_ns: Callable[[], int]) -> None:
        self._rows = rows
        self._now_ns = now_ns
        self._counts: dict[str, int] = {}
        self._since_ns: dict[str, int] = {}

    def not_held_for(self, held_s: float) -> list[str]:
        """Count, and return the tiers whose number isn't known to have been the same for so long."""
        asked_ns = self._now_ns()
        for tier, count in self._rows().items():
            if self._counts.get(tier) != count:
                # When it was counted nobody knows, but not after this.
                self._counts[tier], self._since_ns[tier] = count, self._now_ns()
        return [tier for tier, since_ns in self._since_ns.items() if asked_ns - since_ns < held_s * 1e9]
