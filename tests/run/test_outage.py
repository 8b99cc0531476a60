"""When a fault's own time ends, and which messages went missing at another time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.sets import total
from chaosp7.recovery.sends import SendTimes
from chaosp7.run.evidence import FaultRecord, RecoveryReport
from chaosp7.run.outage import Window, outages, outside, own_end_ns

FEED = Feed("kraken", "BTC/USD")
END_NS = 1_000


def fault(begin: int, end: int | None) -> FaultRecord:
    return FaultRecord(
        kind="kill", target="x", injected_ns=begin, verified_start_ns=begin + 1, verified_end_ns=end
    )


def report(index: int, recovery_s: float | None) -> RecoveryReport:
    return RecoveryReport(
        fault=index, tier="topic", outcome="recovered", tolerance_ms=500, recovery_s=recovery_s,
        uncertainty_s=0.0, detection_s=None, outage_s=0.0, first_new_s=None, backlog_gone_s=None, samples=1,
        interval_ms={},
    )  # fmt: skip


def test_a_single_fault_has_the_whole_load() -> None:
    assert own_end_ns([fault(10, 20)], 0, END_NS) == END_NS


def test_faults_one_after_the_other_end_where_the_next_begins() -> None:
    faults = [fault(10, 20), fault(30, 40), fault(50, 60)]
    assert [own_end_ns(faults, i, END_NS) for i in range(3)] == [30, 50, END_NS]


def test_faults_that_overlap_belong_together() -> None:
    faults = [fault(10, 35), fault(30, 60), fault(50, 70), fault(80, 90)]
    assert [own_end_ns(faults, i, END_NS) for i in range(4)] == [80, 80, 80, END_NS]


def test_a_fault_that_was_never_undone_has_no_end() -> None:
    assert own_end_ns([fault(10, None), fault(30, 40)], 0, END_NS) == END_NS


def test_an_outage_lasts_until_the_tier_was_fresh_again() -> None:
    faults = [fault(1_000_000_000, 1_500_000_000)]
    (window,) = outages(faults, [report(0, 2.0)], "topic", slack_ms=100)
    assert window == Window(900_000_000, 3_000_000_001)
    (window,) = outages(faults, [report(0, None)], "topic", slack_ms=0)
    assert window == Window(1_000_000_000, 1_500_000_000)


@given(
    missing=st.sets(st.integers(0, 99)),
    windows=st.lists(st.tuples(st.integers(-10, 1100), st.integers(-10, 1100)).map(sorted), max_size=4),
)
def test_what_is_outside_is_what_no_window_holds(missing: set[int], windows: list[list[int]]) -> None:
    records = np.zeros(100, dtype=RECORD)
    records["sequence"] = np.arange(100)
    records["sent_ns"] = np.arange(100) * 10
    sends = SendTimes.of((FEED,), (0,), [records])
    left = outside({FEED: BitMap64(missing)}, sends, [Window(*w) for w in windows])
    expected = {s for s in missing if not any(low <= 10 * s <= high for low, high in windows)}
    assert total(left) == len(expected)
    assert set(left.get(FEED, BitMap64())) == expected
