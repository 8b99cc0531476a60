"""Outages of known length are measured within the stated uncertainty."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.recovery.freshness import replay
from chaosp7.recovery.recovery import Outcome, TierRecovery, measure
from chaosp7.recovery.samples import Sample
from chaosp7.recovery.sends import SendTimes

FEED = Feed("binance", "BTC/USDT")
MS = 1_000_000
EVERY_NS = 10 * MS
LOAD_NS = 20_000 * MS
TOLERANCE_NS = 200 * MS
STABILITY_NS = 1_000 * MS


def sends() -> SendTimes:
    records = np.zeros(LOAD_NS // EVERY_NS, dtype=RECORD)
    records["sequence"] = np.arange(len(records))
    records["sent_ns"] = np.arange(len(records)) * EVERY_NS
    return SendTimes.of((FEED,), (0,), [records])


SENDS = sends()


def looks_at_outage(
    start_ns: int, length_ns: int, interval_ns: int, *, counted: bool = False, missing: BitMap64 | None = None
) -> list[Sample]:
    """Sample a tier that shows nothing new during an outage, and all of it right after."""
    samples, shown, before_ns = [], 0, 0
    for after_ns in range(interval_ns, LOAD_NS, interval_ns):
        visible_until_ns = (
            min(after_ns, start_ns) if start_ns <= after_ns < start_ns + length_ns else after_ns
        )
        count = min(visible_until_ns // EVERY_NS + 1, LOAD_NS // EVERY_NS)
        lost = missing.rank(count - 1) if missing else 0
        if counted:
            samples.append(Sample(before_ns=before_ns, after_ns=after_ns, counts=((0, count - lost),)))
        else:
            gaps = missing or BitMap64()
            new = tuple((0, s, s) for s in range(shown, count) if s not in gaps)
            samples.append(Sample(before_ns=before_ns, after_ns=after_ns, new=new))
        shown, before_ns = count, after_ns
    return samples


def measured(samples: list[Sample], fault_ns: int, missing: BitMap64 | None = None) -> TierRecovery:
    lost = {FEED: missing} if missing else {}
    looks = list(replay(samples, SENDS, lost, 0))
    return measure(looks, SENDS, fault_ns, LOAD_NS, TOLERANCE_NS, STABILITY_NS)


@settings(max_examples=60, deadline=None)
@given(
    start_ms=st.integers(1_000, 8_000),
    length_ms=st.integers(500, 8_000),
    interval_ms=st.integers(3, 120),
    counted=st.booleans(),
)
def test_an_outage_of_known_length_is_measured_within_the_stated_uncertainty(
    start_ms: int, length_ms: int, interval_ms: int, counted: bool
) -> None:
    samples = looks_at_outage(start_ms * MS, length_ms * MS, interval_ms * MS, counted=counted)
    found = measured(samples, start_ms * MS)
    assert found.outcome is Outcome.RECOVERED
    assert found.recovery is not None
    assert abs(found.recovery.value_ns - length_ms * MS) <= found.uncertainty_ns
    assert found.uncertainty_ns <= interval_ms * MS
    assert found.detection is not None
    # Stale as soon as the last visible message is older than the tolerance: known to the nanosecond.
    assert -EVERY_NS <= found.detection.value_ns - TOLERANCE_NS <= 0
    assert found.detection.uncertainty_ns == 0
    stale_ns = start_ms * MS + length_ms * MS - (start_ms * MS // EVERY_NS * EVERY_NS + TOLERANCE_NS)
    assert abs(found.outage.value_ns - stale_ns) <= found.outage.uncertainty_ns
    assert found.first_new is not None
    assert found.backlog_gone is not None


def test_a_tier_within_its_tolerance_was_never_stale() -> None:
    samples = looks_at_outage(5_000 * MS, 100 * MS, 10 * MS)
    assert measured(samples, 5_000 * MS).outcome is Outcome.NEVER_STALE


def test_a_tier_that_stays_down_has_not_recovered() -> None:
    samples = looks_at_outage(5_000 * MS, LOAD_NS, 10 * MS)
    found = measured(samples, 5_000 * MS)
    assert (found.outcome, found.recovery) == (Outcome.NOT_RECOVERED, None)
    assert found.last_stale_ns is not None
    assert abs(found.last_stale_ns - (LOAD_NS - 5_000 * MS)) <= 20 * MS


def test_fresh_for_less_than_the_stability_window_is_not_recovered() -> None:
    samples = looks_at_outage(5_000 * MS, LOAD_NS - 5_500 * MS, 10 * MS)
    assert measured(samples, 5_000 * MS).outcome is Outcome.NOT_RECOVERED


def test_no_look_after_the_fault_is_not_a_recovery() -> None:
    samples = [s for s in looks_at_outage(5_000 * MS, 100 * MS, 10 * MS) if s.after_ns < 4_000 * MS]
    assert measured(samples, 5_000 * MS).outcome is Outcome.NOT_MEASURED


def test_a_tier_that_can_not_be_read_is_stale() -> None:
    samples = [
        Sample(before_ns=s.before_ns, after_ns=s.after_ns, new=s.new, error="refused")
        if 6_000 * MS <= s.after_ns < 9_000 * MS
        else s
        for s in looks_at_outage(6_000 * MS, 0, 10 * MS)
    ]
    found = measured(samples, 6_000 * MS)
    assert found.outcome is Outcome.RECOVERED
    assert found.recovery is not None
    assert abs(found.recovery.value_ns - 3_000 * MS) <= found.uncertainty_ns


def test_messages_lost_for_good_do_not_hold_the_recovery_back() -> None:
    # Those sent in the outage are never seen: an exchange doesn't send them again.
    gap = BitMap64(range(500, 800))
    for counted in (False, True):
        samples = looks_at_outage(5_000 * MS, 3_000 * MS, 10 * MS, counted=counted, missing=gap)
        found = measured(samples, 5_000 * MS, gap)
        assert found.outcome is Outcome.RECOVERED
        assert found.recovery is not None
        assert abs(found.recovery.value_ns - 3_000 * MS) <= found.uncertainty_ns + EVERY_NS


def test_an_outage_of_one_exchange_is_none_of_another_s() -> None:
    other = Feed("kraken", "BTC/USD")
    records = np.zeros(2 * len(range(0, LOAD_NS, EVERY_NS)), dtype=RECORD)
    records["feed"] = np.arange(len(records)) % 2
    records["sequence"] = np.arange(len(records)) // 2
    records["sent_ns"] = np.arange(len(records)) // 2 * EVERY_NS
    both = SendTimes.of((FEED, other), (0, 0), [records])
    fault_ns = 5_000 * MS
    halted = looks_at_outage(fault_ns, 3_000 * MS, 50 * MS)
    whole = looks_at_outage(fault_ns, 0, 50 * MS)
    samples = [
        Sample(
            before_ns=a.before_ns,
            after_ns=a.after_ns,
            new=(*a.new, *((1, low, high) for _, low, high in b.new)),
        )
        for a, b in zip(halted, whole, strict=True)
    ]

    def outcome(only: set[str] | None) -> Outcome:
        looks = list(replay(samples, both, {}, 0, only))
        return measure(looks, both, fault_ns, LOAD_NS, TOLERANCE_NS, STABILITY_NS).outcome

    assert outcome(None) is Outcome.RECOVERED
    assert outcome({"binance"}) is Outcome.RECOVERED
    assert outcome({"kraken"}) is Outcome.NEVER_STALE
