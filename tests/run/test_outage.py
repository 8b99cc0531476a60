"""When a fault's own time ends, and which messages went missing at another time."""

import msgspec
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


def test_faults_are_taken_in_the_order_of_their_injection_and_not_of_the_list() -> None:
    faults = [fault(50, 60), fault(10, 20), fault(30, 40)]
    assert [own_end_ns(faults, i, END_NS) for i in range(3)] == [END_NS, 30, 50]


def test_a_fault_injected_when_the_one_before_was_healed_belongs_to_it() -> None:
    faults = [fault(10, 20), fault(20, 40), fault(60, 70)]
    assert own_end_ns(faults, 0, END_NS) == 60


def test_faults_injected_at_the_same_moment_do_not_end_each_other() -> None:
    assert own_end_ns([fault(10, 5), fault(10, 20)], 0, END_NS) == END_NS


def test_a_fault_that_was_never_injected_ends_no_other() -> None:
    never = FaultRecord(kind="kill", target="x")
    assert own_end_ns([fault(10, 20), never], 0, END_NS) == END_NS


def test_another_tiers_report_and_a_fault_never_seen_excuse_nothing() -> None:
    seconds = 1_000_000_000
    unseen = FaultRecord(kind="kill", target="x", injected_ns=5)
    faults = [fault(seconds, 2 * seconds), unseen, fault(5 * seconds, 6 * seconds)]
    reports = [
        msgspec.structs.replace(report(0, 3.0), tier="gold"),
        report(1, 3.0),
        msgspec.structs.replace(report(2, 2.0), uncertainty_s=0.5),
    ]
    (window,) = outages(faults, reports, "topic", slack_ms=0)
    assert window == Window(5 * seconds, 7 * seconds + seconds // 2 + 1)


def test_a_fault_that_was_not_healed_is_an_outage_until_the_tier_was_fresh() -> None:
    (window,) = outages([fault(1_000, None)], [report(0, None)], "topic", slack_ms=0)
    assert window == Window(1_000, 1_001)


def test_a_message_sent_at_a_windows_end_is_inside_and_the_next_one_is_not() -> None:
    records = np.zeros(3, dtype=RECORD)
    records["sequence"] = [0, 1, 2]
    records["sent_ns"] = [10, 20, 21]
    sends = SendTimes.of((FEED,), (0,), [records])
    left = outside({FEED: BitMap64([0, 1, 2])}, sends, [Window(11, 20)])
    assert left == {FEED: BitMap64([0, 2])}


def test_feeds_that_miss_nothing_outside_are_left_out() -> None:
    sends = SendTimes.of((FEED,), (0,), [])
    assert outside({}, sends, []) == {}
    assert outside({FEED: BitMap64()}, sends, []) == {}


def test_a_fault_that_was_never_injected_has_the_time_up_to_the_first_that_was() -> None:
    never = FaultRecord(kind="kill", target="x", verified_end_ns=5)
    assert own_end_ns([never, fault(10, 20)], 0, END_NS) == 10


def test_an_outage_without_the_injections_time_begins_at_its_verified_start() -> None:
    seen = FaultRecord(kind="kill", target="x", verified_start_ns=1_000, verified_end_ns=3_000)
    (window,) = outages([seen], [report(0, None)], "topic", slack_ms=0)
    assert window == Window(1_000, 3_000)
