"""Outages of known length are measured within the stated uncertainty."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.recovery.freshness import Look, replay
from chaosp7.recovery.recovery import Outcome, TierRecovery, measure
from chaosp7.recovery.samples import Sample
from chaosp7.recovery.sends import SendTimes
from chaosp7.recovery.spans import Figure

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
    for after_ns in range(interval_ns, LOAD_NS + 2 * interval_ns, interval_ns):
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
    looks = list(replay(samples, SENDS, lost, 0, TOLERANCE_NS))
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
        looks = list(replay(samples, both, {}, 0, TOLERANCE_NS, only))
        return measure(looks, both, fault_ns, LOAD_NS, TOLERANCE_NS, STABILITY_NS).outcome

    assert outcome(None) is Outcome.RECOVERED
    assert outcome({"binance"}) is Outcome.RECOVERED
    assert outcome({"kraken"}) is Outcome.NEVER_STALE


def two_feeds() -> SendTimes:
    """Thirty messages from number 0 on, one every 10 ns; ten from number 100 on, from 95 ns, every 20 ns."""
    blocks = []
    for feed, (first, count, start_ns, every_ns) in enumerate([(0, 30, 0, 10), (100, 10, 95, 20)]):
        block = np.zeros(count, dtype=RECORD)
        block["feed"] = feed
        block["sequence"] = first + np.arange(count)
        block["sent_ns"] = start_ns + every_ns * np.arange(count)
        blocks.append(block)
    return SendTimes.of((FEED, Feed("kraken", "BTC/USD")), (0, 100), blocks)


TWO = two_feeds()
#: A tier that showed nothing sent after 90 ns until it was looked at for the fourth time.
BEFORE = [Look(80, 85, 80, (8, 99), (8, 99)), Look(95, 99, 90, (9, 99), (9, 99))]
DOWN = [Look(110, 115, 90, (9, 99), (9, 99)), Look(150, 155, 90, (9, 99), (9, 99))]
UP = [
    Look(170, 174, 160, (16, 103), (16, 103)),
    Look(185, 189, 180, (18, 104), (18, 104)),
    Look(205, 209, 200, (20, 105), (20, 105)),
    Look(225, 229, 220, (22, 106), (22, 106)),
    Look(245, 249, 240, (24, 107), (24, 107)),
    Look(265, 269, 260, (26, 108), (26, 108)),
    Look(285, 290, 280, (28, 109), (28, 109)),
]
LATER = [Look(288, 291, 290, (29, 109), (29, 109))]


def figures(looks: Sequence[Look], stability_ns: int = 50, extra_ns: int = 0) -> TierRecovery:
    return measure(looks, TWO, 100, 290, 30, stability_ns, extra_ns)


def test_every_time_lies_between_what_the_looks_around_it_prove() -> None:
    assert figures(BEFORE + DOWN + UP + LATER) == TierRecovery(
        outcome=Outcome.RECOVERED,
        # Stale at 150 still, fresh from 174 on.
        recovery=Figure(62, 12),
        uncertainty_ns=12,
        # The message of 90 became too old at 120.
        detection=Figure(20, 0),
        last_stale_ns=50,
        # From 120 to 150, and perhaps on to 174.
        outage=Figure(42, 12),
        # Not yet in the look that began at 150, in the one that ended at 174.
        first_new=Figure(62, 12),
        # All sent before 174 is shown by the look that ended at 189.
        backlog_gone=Figure(69, 20),
        unproven_ns=24,
        looks=10,
    )


def test_what_the_reader_may_be_late_is_added_to_every_uncertainty() -> None:
    found = figures(BEFORE + DOWN + UP, extra_ns=3)
    assert (found.recovery, found.uncertainty_ns) == (Figure(62, 15), 15)
    assert (found.detection, found.outage) == (Figure(20, 3), Figure(42, 15))
    assert (found.first_new, found.backlog_gone) == (Figure(62, 15), Figure(69, 23))
    unmeasured = figures(BEFORE, extra_ns=3)
    assert unmeasured == TierRecovery(
        Outcome.NOT_MEASURED, None, 193, None, None, Figure(95, 98), None, None, 190, 0
    )
    assert figures(BEFORE + DOWN, extra_ns=3).uncertainty_ns == 3


@pytest.mark.parametrize(
    ("stability_ns", "outcome"), [(116, Outcome.RECOVERED), (117, Outcome.NOT_RECOVERED)]
)
def test_a_tier_must_stay_fresh_for_the_whole_stability_window(stability_ns: int, outcome: Outcome) -> None:
    found = figures(BEFORE + DOWN + UP, stability_ns)
    assert (found.outcome, found.uncertainty_ns) == (outcome, 12)
    assert (found.recovery is None, found.backlog_gone is None) == ((outcome is not Outcome.RECOVERED,) * 2)


def test_looks_at_the_very_fault_and_at_the_very_end_count() -> None:
    looks = [Look(97, 100, 90, (9, 99), (9, 99)), *DOWN, *UP]
    found = figures(looks)
    assert (found.looks, measure(looks, TWO, 101, 289, 30, 50).looks) == (10, 9)
    # One that began before the end counts as well; one that began after it doesn't.
    assert figures([*looks, *LATER]) == replace(found, looks=11)
    assert figures([*looks, Look(290, 291, 290, (29, 109), (29, 109))]) == replace(found, looks=11)
    assert figures([*looks, Look(291, 292, 290, (29, 109), (29, 109))]) == found


def test_one_look_that_goes_on_after_the_end_is_enough_if_what_was_there_stayed_young() -> None:
    found = measure([BEFORE[1], Look(112, 125, 110, (11, 100), (11, 100))], TWO, 100, 120, 30, 5)
    assert (found.outcome, found.looks, found.uncertainty_ns) == (Outcome.NEVER_STALE, 1, 0)
    # What it shows may have come after the end.
    assert found.first_new is None
    # From 111 on nobody knows; a look that began after the end is none.
    assert measure([BEFORE[1], Look(112, 125, 110, (11, 100), (11, 100))], TWO, 100, 120, 15, 5).looks == 1
    assert measure([BEFORE[1], Look(121, 125, 110, (11, 100), (11, 100))], TWO, 100, 120, 30, 5).looks == 0


def test_a_tier_that_stays_down_was_stale_until_its_last_look_began() -> None:
    found = figures(BEFORE + DOWN)
    assert (found.outcome, found.recovery, found.uncertainty_ns) == (Outcome.NOT_RECOVERED, None, 0)
    assert (found.detection, found.last_stale_ns) == (Figure(20, 0), 50)
    # Stale from 120 to 150; from then on to the end, at 290, nobody looked.
    assert (found.outage, found.unproven_ns) == (Figure(100, 70), 140)
    assert (found.first_new, found.backlog_gone) == (None, None)


def test_what_nobody_looked_at_up_to_the_end_is_not_measured_once_what_was_there_is_too_old() -> None:
    def told(looks: Sequence[Look]) -> tuple[Outcome, int, int]:
        found = figures(looks)
        return found.outcome, found.uncertainty_ns, found.unproven_ns

    # It goes on for 30 ns: from 280 on nothing is known, not even whether it was fresh after the end.
    until_250 = [Look(at, at, at // 10 * 10, (at // 10, 109), (at // 10, 109)) for at in range(85, 251, 5)]
    assert told(until_250) == (Outcome.NOT_MEASURED, 190, 10)
    # The next look hangs beyond the end, and fails; or succeeds, and what it shows may have come at its end.
    assert told([*until_250, *failed((252, 400))]) == (Outcome.NOT_MEASURED, 190, 40)
    late = Look(252, 400, 290, (29, 109), (29, 109))
    assert told([*until_250, late]) == (Outcome.NOT_MEASURED, 190, 10)
    # What was there at 260 isn't too old by the end, whatever comes.
    until_260 = [*until_250, Look(260, 260, 260, (26, 109), (26, 109))]
    for later in ([], failed((262, 400)), failed((290, 400)), [late]):
        assert told([*until_260, *later]) == (Outcome.NEVER_STALE, 0, 0)


def test_a_tier_that_recovered_and_then_hangs_up_to_the_end_has_not_recovered() -> None:
    found = figures([*BEFORE, *DOWN, *UP[:-2], *failed((250, 400))])
    assert (found.outcome, found.recovery, found.last_stale_ns) == (Outcome.NOT_RECOVERED, None, 50)
    assert figures([*BEFORE, *DOWN, *UP[:-2]]).outcome is Outcome.NOT_RECOVERED


def test_what_the_next_fault_does_is_none_of_a_recovery_from_the_one_before() -> None:
    up = [*BEFORE, *DOWN, *UP[:-1]]
    found = figures(up)
    assert (found.outcome, found.recovery) == (Outcome.RECOVERED, Figure(62, 12))
    # It begins at the end, 290: the look under way then fails, and so do those after it.
    assert figures([*up, *failed((285, 291), (292, 293))]) == replace(found, looks=found.looks + 1)
    assert figures([*up, *failed((291, 292), (294, 295))]) == found
    # Afterwards less is there than before.
    assert figures([*up, Look(300, 301, 200, (20, 105), (20, 105))]) == found


def test_a_tier_that_was_never_seen_stale_tells_until_when_it_may_have_been() -> None:
    # Nobody looked between 99 and 174: what was there was too old from 120 on.
    found = figures(BEFORE + UP, extra_ns=2)
    assert (found.outcome, found.recovery, found.detection) == (Outcome.NEVER_STALE, None, None)
    assert (found.last_stale_ns, found.backlog_gone) == (None, None)
    assert (found.uncertainty_ns, found.unproven_ns) == (76, 54)
    assert found.outage == Figure(27, 29)
    # Not before the first message of the fault's time was sent, at 100.
    assert found.first_new == Figure(37, 39)


def test_a_tier_that_may_be_stale_to_the_end_tells_so_though_no_look_shows_it() -> None:
    found = figures([*BEFORE, Look(110, 290, 90, (9, 99), (9, 99))])
    assert (found.outcome, found.uncertainty_ns, found.unproven_ns) == (Outcome.NOT_MEASURED, 190, 170)


def test_a_tier_that_is_proven_fresh_all_the_time_has_no_uncertainty_but_its_reader_s() -> None:
    quick = [Look(at, at, at // 10 * 10, (at // 10, 109), (at // 10, 109)) for at in range(85, 291, 5)]
    found = figures(quick, extra_ns=4)
    assert (found.outcome, found.uncertainty_ns, found.unproven_ns) == (Outcome.NEVER_STALE, 4, 0)
    assert found.outage == Figure(0, 4)


def failed(*times: tuple[int, int]) -> list[Look]:
    return [Look(before, after, None, (9, 99), (9, 99)) for before, after in times]


def test_a_tier_that_can_not_be_read_recovers_after_the_last_failed_look_began() -> None:
    found = figures([*BEFORE, *failed((104, 106), (120, 123)), *UP])
    # Its first failed look may have failed at 104 or at 106, and it may have been unreadable from
    # 100 on: the look before ended at 99. The message of 90 is too old at 120.
    assert found.detection == Figure(3, 3)
    assert (found.recovery, found.last_stale_ns) == (Figure(47, 27), 20)
    # Stale from 106 to 120; of what was before and after nothing is known.
    assert (found.outage, found.unproven_ns) == (Figure(44, 30), 60)
    # What a failed look didn't show may have been there: the look before the fault is what counts.
    assert found.first_new == Figure(37, 37)


def test_a_single_failed_look_is_a_recovery_after_it() -> None:
    found = figures([*BEFORE, *failed((104, 106)), *UP])
    assert (found.outcome, found.detection) == (Outcome.RECOVERED, Figure(3, 3))
    assert (found.recovery, found.last_stale_ns) == (Figure(39, 35), 4)


def test_a_look_that_failed_across_the_fault_is_stale_no_earlier_than_it() -> None:
    found = figures([BEFORE[0], *failed((90, 103)), *UP])
    assert (found.detection, found.last_stale_ns, found.recovery) == (Figure(1, 2), 0, Figure(37, 37))


def test_a_failed_look_from_before_the_fault_is_none_of_its_recovery() -> None:
    found = figures([*failed((90, 95)), *DOWN, *UP])
    assert (found.detection, found.last_stale_ns) == (Figure(10, 10), 50)


def test_the_first_new_message_of_any_feed_counts() -> None:
    looks = [*BEFORE, Look(110, 115, 90, (9, 101), (9, 101)), DOWN[1], *UP]
    # Number 101 was sent at 115; the lower bound is when any feed's first one was. 100 is older than the fault.
    assert figures(looks).first_new == Figure(7, 8)
    none_new = [*BEFORE, Look(110, 115, 90, (9, 100), (9, 100)), DOWN[1], *UP]
    assert figures(none_new).first_new == Figure(62, 12)


def test_the_backlog_is_gone_when_that_of_every_feed_is() -> None:
    behind = [Look(u.before_ns, u.after_ns, u.oldest_ns, u.heads, (u.frontiers[0], 102)) for u in UP[:3]]
    # The second feed's messages up to 103, sent at 155, come with the look that ended at 229.
    assert figures(BEFORE + DOWN + behind + UP[3:]).backlog_gone == Figure(89, 40)
    never = [Look(u.before_ns, u.after_ns, u.oldest_ns, u.heads, (u.frontiers[0], 102)) for u in UP]
    assert figures(BEFORE + DOWN + never).backlog_gone is None


def test_what_comes_after_the_end_says_nothing() -> None:
    looks = BEFORE + DOWN + UP
    found = measure(looks, TWO, 100, 160, 30, 5)
    assert found.outcome is Outcome.NOT_RECOVERED
    assert (found.looks, found.last_stale_ns, found.first_new) == (2, 50, None)
    # Only up to when the tier was stale they tell: what the look that began at 170 shows may have come at 150.
    without = measure(BEFORE + DOWN, TWO, 100, 160, 30, 5)
    assert found == without


def test_the_last_look_before_the_fault_is_all_that_is_needed_of_the_time_before() -> None:
    earlier = [Look(at, at, at, (at // 10, 99), (at // 10, 99)) for at in (50, 60, 70)]
    for after in (DOWN + UP, UP):
        assert figures(BEFORE[1:] + after) == figures(BEFORE + after) == figures(earlier + BEFORE + after)


def test_looks_that_begin_after_the_fault_are_all_taken() -> None:
    assert figures(DOWN + UP).detection == Figure(10, 10)
    assert figures(DOWN + UP).looks == 9


def test_a_look_that_failed_as_the_fault_began_is_stale_at_it() -> None:
    assert figures([BEFORE[0], *failed((90, 100)), *UP]).detection == Figure(0, 0)
    quick = [Look(at, at, at // 10 * 10, (at // 10, 109), (at // 10, 109)) for at in range(100, 291, 5)]
    found = figures([BEFORE[0], *failed((90, 100)), *quick])
    assert (found.outcome, found.detection, found.recovery) == (
        Outcome.RECOVERED,
        Figure(0, 0),
        Figure(0, 0),
    )


def test_the_very_last_message_may_be_the_first_new_one() -> None:
    # After 285 ns the first feed sends one more, at 290, and the second none.
    looks = [Look(280, 284, 275, (28, 109), (28, 109)), Look(289, 295, 290, (29, 109), (29, 109))]
    assert measure(looks, TWO, 285, 300, 30, 5).first_new == Figure(7, 3)
    assert measure(looks, TWO, 285, 295, 30, 5).first_new == Figure(7, 3)
    assert measure(looks, TWO, 285, 294, 30, 5).first_new is None


def test_the_backlog_is_not_gone_before_the_look_that_still_lacks_it() -> None:
    lacks = Look(170, 174, 160, (16, 103), (16, 101))
    assert figures([*BEFORE, *DOWN, lacks, *UP[1:]]).backlog_gone == Figure(79, 10)


def test_outcomes_are_called_what_the_evidence_calls_them() -> None:
    assert [str(outcome) for outcome in Outcome] == [
        "recovered",
        "never-stale",
        "not-recovered",
        "not-measured",
    ]
