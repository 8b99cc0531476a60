"""Time series of a run: what each tier showed when, thinned out for charts.

``series.json`` beside ``evidence.json`` holds per tier freshness, throughput, lag and missing messages
in at most 1,500 buckets of equal width. A bucket keeps the least and the greatest value seen in it, so
that no peak is lost; where a tier couldn't be read, or nobody looked, stands beside them as stretches.
No verdict rests on it. Pure but for `read` and `write`.

Times are seconds from the load's start.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from chaosp7.account.sets import Sets
from chaosp7.recovery.freshness import Look, replay
from chaosp7.recovery.samples import Sample
from chaosp7.recovery.sends import SendTimes
from chaosp7.run.buckets import Buckets
from chaosp7.run.visible import Visible, visible_counts
from chaosp7.whole_file import write_whole

__all__ = [
    "SCHEMA_VERSION",
    "Extremes",
    "FeedHeat",
    "FoundRange",
    "Series",
    "TierSeries",
    "read",
    "series_of",
    "write",
]

SCHEMA_VERSION = 1

BUCKETS_MAX = 1500

#: No bucket is narrower: samples are hardly closer.
_STEP_MIN_NS = 20_000_000

_HEAT_COLUMNS = 60


class Extremes(msgspec.Struct, frozen=True, kw_only=True):
    """Least and greatest value in each bucket; None where no sample falls into it."""

    low: list[int | None]
    high: list[int | None]


class TierSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One tier over time.

    Attributes:
        tier: its name.
        freshness_ms: age of the stalest feed's head, milliseconds.
        new_per_s: messages newly visible per second, spread evenly between two looks.
        missing: messages sent and not visible.
        lag: messages that the tier before shows and this one doesn't; of the first tier, as `missing`.
        unread_s: stretches in which it couldn't be read, or nobody looked for longer than it may be stale;
            start and end, seconds.
        looks: samples that all this was made from.
    """

    tier: str
    freshness_ms: Extremes
    new_per_s: list[int]
    missing: Extremes
    lag: Extremes
    unread_s: list[tuple[float, float]]
    looks: int


class FoundRange(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive sequences of one feed that are of one class, other than lost, at a tier.

    Attributes:
        kind: ``duplicated``, ``reordered``, ``corrupted`` or ``late``.
        first: first sequence, inclusive.
        last: last sequence, inclusive.
        sent_first_s: when the first was sent.
        sent_last_s: when the last was sent.
    """

    kind: str
    tier: str
    feed: str
    first: int
    last: int
    sent_first_s: float
    sent_last_s: float


class FeedHeat(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of a feed a tier lost, by the time at which they were sent.

    Attributes:
        lost: per column; all columns are equally long and span the load.
    """

    tier: str
    feed: str
    lost: list[int]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    Attributes:
        start_ns: when the first message was due, monotonic: second 0.
        first_s: where the first bucket begins, seconds.
        step_s: how long a bucket is, seconds.
        buckets: how many.
        load_end_s: when the last message was sent, seconds.
        sent_per_s: the source's rate in each bucket.
        ranges: messages in other classes than delivered and lost, the first ones of each feed.
        ranges_left_out: how many more ranges there are.
        heat: of each feed that a tier lost something of.
    """

    schema_version: int = SCHEMA_VERSION
    start_ns: int
    first_s: float
    step_s: float
    buckets: int
    load_end_s: float
    sent_per_s: list[int]
    tiers: list[TierSeries]
    ranges: list[FoundRange] = []
    ranges_left_out: int = 0
    heat: list[FeedHeat] = []


def series_of(
    samples: Mapping[str, Sequence[Sample]],
    sends: SendTimes,
    lost: Mapping[str, Sets],
    load_start_ns: int,
    load_end_ns: int,
    tolerances_ns: Mapping[str, int],
) -> Series:
    """Return the series of a run.

    Args:
        samples: of each tier, in flow order.
        sends: when each message was sent.
        lost: tier -> what the account finds lost there; empty for a tier without an account.
        load_start_ns: when the first message was due.
        load_end_ns: when the load ended.
        tolerances_ns: tier -> how stale it may be: whoever looks away for longer hasn't seen it.
    """
    end_ns = max([load_end_ns, *(found[-1].after_ns for found in samples.values() if found)])
    buckets = Buckets.over(load_start_ns, end_ns, BUCKETS_MAX, _STEP_MIN_NS)
    sent = _send_times(sends)
    last = [sends.last(i) for i in range(len(sends.feeds))]
    tiers: list[TierSeries] = []
    before: Visible | None = None
    for name, found in samples.items():
        looks = replay(found, sends, lost.get(name, {}), load_start_ns, tolerances_ns[name])
        visible = visible_counts(found, sends)
        ages = _ages(looks, last, load_end_ns)
        unread_s = _unread(found, load_start_ns, tolerances_ns[name])
        tiers.append(_tier_series(name, ages, len(found), unread_s, visible, before, sent, buckets))
        before = visible
    return Series(
        start_ns=load_start_ns,
        first_s=0.0,
        step_s=buckets.step_ns / 1e9,
        buckets=buckets.count,
        load_end_s=(load_end_ns - load_start_ns) / 1e9,
        sent_per_s=buckets.per_second(buckets.counts(sent)),
        tiers=tiers,
        heat=[
            heat
            for name, sets in lost.items()
            for heat in _heat(name, sets, sends, load_start_ns, load_end_ns)
        ],
    )


def _ages(looks: Iterable[Look], last: Sequence[int], load_end_ns: int) -> npt.NDArray[np.int64]:
    """Return when each look ended and how old the stalest feed's head was, as two columns.

    A tier that shows everything only ages for as long as messages should flow.
    """
    found = [
        (
            look.after_ns,
            min(look.after_ns, load_end_ns) - look.oldest_ns
            if all(map(operator.ge, look.frontiers, last))
            else look.after_ns - look.oldest_ns,
        )
        for look in looks
        if look.oldest_ns is not None
    ]
    return np.maximum(0, np.array(found, dtype=np.int64).reshape(-1, 2))


def _tier_series(
    name: str,
    ages: npt.NDArray[np.int64],
    looks: int,
    unread_s: list[tuple[float, float]],
    visible: Visible,
    before: Visible | None,
    sent: npt.NDArray[np.int64],
    buckets: Buckets,
) -> TierSeries:
    missing = np.maximum(0, np.searchsorted(sent, visible.times_ns, side="right") - visible.counts)
    lag = missing if before is None else np.maximum(0, before.at(visible.times_ns) - visible.counts)
    return TierSeries(
        tier=name,
        freshness_ms=_extremes(buckets, ages[:, 0], ages[:, 1] // 1_000_000),
        new_per_s=buckets.per_second(buckets.spread(visible.since_ns, visible.times_ns, visible.new)),
        missing=_extremes(buckets, visible.times_ns, missing),
        lag=_extremes(buckets, visible.times_ns, lag),
        unread_s=unread_s,
        looks=looks,
    )


def _extremes(buckets: Buckets, times_ns: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> Extremes:
    low, high = buckets.extremes(times_ns, values)
    return Extremes(low=low, high=high)


def _send_times(sends: SendTimes) -> npt.NDArray[np.int64]:
    parts = [
        np.fromiter((sends.sent_ns(i, s) for s in range(sends.first[i], sends.last(i) + 1)), dtype=np.int64)
        for i in range(len(sends.feeds))
    ]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)


def _unread(samples: Sequence[Sample], start_ns: int, away_ns: int) -> list[tuple[float, float]]:
    """Return the stretches in which nothing was seen, those that touch put together."""
    found: list[tuple[int, int]] = []
    last_ns = start_ns
    for sample in samples:
        since_ns = min(last_ns, sample.before_ns)
        if sample.error is not None or sample.after_ns - last_ns > away_ns:
            if found and found[-1][1] >= since_ns:
                found[-1] = (found[-1][0], sample.after_ns)
            else:
                found.append((since_ns, sample.after_ns))
        last_ns = sample.after_ns
    return [(round((a - start_ns) / 1e9, 3), round((b - start_ns) / 1e9, 3)) for a, b in found]


def _heat(tier: str, lost: Sets, sends: SendTimes, start_ns: int, end_ns: int) -> list[FeedHeat]:
    edges = np.linspace(start_ns, end_ns + 1, _HEAT_COLUMNS + 1).astype(np.int64).tolist()
    found = []
    for index, feed in enumerate(sends.feeds):
        sequences = lost.get(feed)
        if not sequences:
            continue
        firsts = [sends.first_from(index, edge) for edge in edges]
        # How many of the set are below each edge; the last column also takes what lies on its end.
        below = [sequences.rank(first - 1) if first else 0 for first in firsts]
        below[0], below[-1] = 0, len(sequences)
        found.append(FeedHeat(tier=tier, feed=str(feed), lost=[b - a for a, b in pairwise(below)]))
    return found


def write(series: Series, path: Path) -> None:
    """Write the series whole or not at all.

    Raises:
        OSError: if they can't be written.
    """
    write_whole(path, msgspec.json.encode(series) + b"\n")


def read(path: Path) -> Series:
    """Read series that `write` wrote.

    Raises:
        OSError: if the file can't be read.
        msgspec.MsgspecError: if it holds no series.
    """
    return msgspec.json.decode(path.read_bytes(), type=Series)
