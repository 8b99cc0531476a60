"""Series are thinned out without hiding a peak, a gap or a loss."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.recovery.samples import Sample
from chaosp7.recovery.sends import SendTimes
from chaosp7.report.thin import thin, thin_rates
from chaosp7.run import series as se
from chaosp7.run.buckets import Buckets

FEED = Feed("binance", "BTC/USDT")
MS = 1_000_000
S = 1000 * MS
START = 5 * S
EVERY = 10 * MS
COUNT = 1000
END = START + COUNT * EVERY


def sends() -> SendTimes:
    records = np.zeros(COUNT, dtype=RECORD)
    records["sequence"] = np.arange(100, 100 + COUNT)
    records["sent_ns"] = START + np.arange(COUNT) * EVERY
    return SendTimes.of((FEED,), (100,), [records])


SENDS = sends()


def looks(every_ns: int, outage: tuple[int, int] = (0, 0), error: str | None = None) -> list[Sample]:
    """Look at a tier that shows everything at once, but nothing new in an outage."""
    samples, shown, before = [], 100, START
    for after in range(START + every_ns, END + S, every_ns):
        out = outage[0] <= after - START < outage[1]
        upto = min(100 + (after - START) // EVERY, 100 + COUNT)
        new = () if out or upto == shown else ((0, shown, upto - 1),)
        samples.append(Sample(before_ns=before, after_ns=after, new=new, error=error if out else None))
        shown = shown if out else upto
        before = after
    return samples


def series(**tiers: Sequence[Sample]) -> se.Series:
    return se.series_of(tiers, SENDS, {}, START, END, dict.fromkeys(tiers, 1 * S))


def test_an_outage_is_seen_in_every_measure() -> None:
    found = series(topic=looks(10 * MS), raw=looks(50 * MS, (3 * S, 5 * S)))
    topic, raw = found.tiers
    assert found.buckets <= 1500
    assert max(v for v in raw.freshness_ms.high if v is not None) == pytest.approx(1990, abs=60)
    assert max(v for v in topic.freshness_ms.high if v is not None) <= 20
    for measure in (raw.lag, raw.missing):
        assert max(v for v in measure.high if v is not None) == pytest.approx(200, abs=6)
    assert max(topic.missing.high, key=lambda v: v or 0) in (0, 1, 2)
    in_outage = raw.new_per_s[round(3.2 / found.step_s) : round(4.9 / found.step_s)]
    assert set(in_outage) == {0}
    assert raw.unread_s == []
    assert sum(raw.new_per_s) * found.step_s == pytest.approx(COUNT, rel=0.03)
    assert sum(found.sent_per_s) * found.step_s == pytest.approx(COUNT, rel=0.01)


def test_what_could_not_be_read_or_was_not_looked_at_is_told() -> None:
    unreadable = looks(50 * MS, (3 * S, 5 * S), error="timed out")
    absent = [s for s in looks(50 * MS) if not 6 * S < s.after_ns - START < 8 * S]
    broken, gone = series(one=unreadable, two=absent).tiers
    assert broken.unread_s == [(pytest.approx(2.95, abs=0.06), pytest.approx(4.95, abs=0.06))]
    ((start, end),) = gone.unread_s
    assert (start, end) == (pytest.approx(6.0, abs=0.06), pytest.approx(8.0, abs=0.06))


def test_looks_that_are_no_farther_apart_than_a_tier_may_be_stale_leave_nothing_unseen() -> None:
    seldom = looks(1500 * MS)
    for tolerance_ns, stretches in ((1501 * MS, 0), (1499 * MS, 1)):
        (tier,) = se.series_of({"raw": seldom}, SENDS, {}, START, END, {"raw": tolerance_ns}).tiers
        assert len(tier.unread_s) == stretches


def test_what_is_lost_for_good_holds_freshness_back_no_longer_but_stays_missing() -> None:
    holed = [
        Sample(before_ns=s.before_ns, after_ns=s.after_ns,
               new=tuple(piece for _, a, b in s.new for piece in ((0, a, min(b, 399)), (0, max(a, 410), b)) if piece[1] <= piece[2]))
        for s in looks(50 * MS)
    ]  # fmt: skip
    lost = {FEED: BitMap64(range(400, 410))}
    found = se.series_of({"raw": holed}, SENDS, {"raw": lost}, START, END, {"raw": S})
    (raw,) = found.tiers
    assert max(v for v in raw.freshness_ms.high if v is not None) < 300
    assert [v for v in raw.missing.low if v is not None][-1] == 10
    (heat,) = found.heat
    assert (heat.tier, sum(heat.lost)) == ("raw", 10)
    column = next(i for i, n in enumerate(heat.lost) if n)
    assert column / 60 * 10 <= 3.0 < (column + 1) / 60 * 10 + 0.2


def test_a_tier_nobody_looked_at_and_a_run_without_messages_have_series() -> None:
    (tier,) = series(raw=[]).tiers
    assert set(tier.freshness_ms.high) == {None}
    empty = SendTimes((FEED,), (0,))
    assert se.series_of({"raw": looks(S)}, empty, {}, START, START, {"raw": S}).sent_per_s[0] == 0
    assert se.series_of({}, empty, {}, START, START, {"raw": S}).tiers == []


def test_series_survive_a_round_trip(tmp_path: Path) -> None:
    found = series(topic=looks(10 * MS))
    se.write(found, tmp_path / "series.json")
    assert se.read(tmp_path / "series.json") == found


@given(
    values=st.lists(
        st.tuples(st.integers(0, 10**12), st.integers(-(10**9), 10**9)), min_size=1, max_size=200
    ),
    at_most=st.integers(1, 50),
)
def test_no_extreme_is_hidden_and_none_is_invented(values: list[tuple[int, int]], at_most: int) -> None:
    times, found = (np.array(column, dtype=np.int64) for column in zip(*values, strict=True))
    buckets = Buckets.over(int(times.min()), int(times.max()), at_most, 1)
    assert buckets.count <= at_most
    low, high = buckets.extremes(times, found)
    assert min(v for v in low if v is not None) == found.min()
    assert max(v for v in high if v is not None) == found.max()
    for time, value in values:
        bucket = (time - buckets.start_ns) // buckets.step_ns
        assert low[bucket] is not None
        assert low[bucket] <= value <= high[bucket]  # type: ignore[operator]
    assert {v for v in (*low, *high) if v is not None} <= set(found.tolist())


@given(
    spans=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 500), st.integers(0, 99)), max_size=30),
    count=st.integers(1, 40),
)
def test_what_is_spread_adds_up(spans: list[tuple[int, int, int]], count: int) -> None:
    buckets = Buckets.over(0, 1500, count, 1)
    since = np.array([a for a, _, _ in spans], dtype=np.int64)
    length = np.array([b for _, b, _ in spans], dtype=np.int64)
    amounts = np.array([n for _, _, n in spans], dtype=np.int64)
    spread = buckets.spread(since, since + length, amounts)
    assert spread.sum() == pytest.approx(amounts.sum())
    assert (spread >= -1e-9).all()


VALUES = st.lists(st.one_of(st.none(), st.integers(0, 10**6)), max_size=100)


@given(values=VALUES, factor=st.integers(1, 20))
def test_thinning_for_the_page_keeps_extremes_and_gaps(values: list[int | None], factor: int) -> None:
    low, high = thin(se.Extremes(low=values, high=values), factor)
    known = [v for v in values if v is not None]
    assert min((v for v in low if v is not None), default=None) == min(known, default=None)
    assert max((v for v in high if v is not None), default=None) == max(known, default=None)
    for column, value in enumerate(low):
        group = values[column * factor : (column + 1) * factor]
        assert (value is None) == all(v is None for v in group)


def test_rates_are_thinned_to_their_mean() -> None:
    assert thin_rates([1, 2, 3, 100, 7], 2) == [2, 52, 7]
