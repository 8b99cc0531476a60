"""Waiting until nothing moves any more: only then is something missing really lost."""

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
        behind: whether consumers are known to be behind: what the tiers after the first lack then
            is not lost but waits, for however long nothing has moved.
    """
    result: list[str] = []
    upstream_ns = ended_ns
    for name, timeline in timelines.items():
        complete = timeline.complete(list(last[name]))
        # What a tier lacks may still come for as long as the tier before it moves. Whether it has moved
        # since the last look nobody knows.
        rest_ns = timeline.looked_ns - max(timeline.last_moved_ns, upstream_ns)
        needed_s = times.complete_s if complete else times.incomplete_s
        waits = behind and bool(result) and not complete
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
    lag: Callable[[], int] = lambda: 0,
    on_progress: Callable[[list[str]], None] = lambda _: None,
) -> list[str]:
    """Wait until every tier is drained, or the deadline.

    Args:
        timelines: of the tiers, in flow order.
        last: tier -> the last sequence of each feed that it can show at all.
        times: how long nothing must move, and the deadline.
        now_ns: the monotonic clock.
        sleep: how to wait, seconds.
        lag: messages that consumers have not taken yet; asked when only their silence is left to
            decide.
        on_progress: called with the drained tiers about ten times a second.

    Returns:
        The tiers that are drained; all of them unless the deadline has passed.
    """
    ended_ns = now_ns()
    while True:
        done = drained(timelines, last, times, ended_ns)
        if len(done) == len(timelines) and not _complete(timelines, last) and lag() > 0:
            done = drained(timelines, last, times, ended_ns, behind=True)
        on_progress(done)
        if len(done) == len(timelines) or now_ns() - ended_ns > times.deadline_s * 1e9:
            return done
        sleep(0.1)


def _complete(timelines: Mapping[str, Timeline], last: Mapping[str, Sequence[int]]) -> bool:
    return all(timeline.complete(list(last[name])) for name, timeline in timelines.items())
