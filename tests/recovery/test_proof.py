"""Whatever a tier does and however it is looked at: the truth lies within what is stated."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.recovery.freshness import Look, replay
from chaosp7.recovery.proof import Proof, prove
from chaosp7.recovery.recovery import Outcome, TierRecovery, measure
from chaosp7.recovery.samples import Sample
from chaosp7.recovery.sends import SendTimes
from chaosp7.recovery.spans import Figure, joined, length_ns
from tests.truth import Arrival, Truth, truth

MS = 1_000_000
FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
EVERY_NS = (10 * MS, 25 * MS)
LOAD_NS = 20_000 * MS
FAULT_NS = 4_000 * MS
STABILITY_NS = 500 * MS


def sends(begin_ns: int = 0, end_ns: int = 0) -> SendTimes:
    """Return when a source sent that stood still for a while, and then sent at once what was due."""
    blocks = []
    for feed, every_ns in enumerate(EVERY_NS):
        records = np.zeros(LOAD_NS // every_ns, dtype=RECORD)
        records["feed"] = feed
        records["sequence"] = np.arange(len(records)) + 1
        due_ns = np.arange(len(records)) * every_ns
        records["sent_ns"] = np.where((due_ns >= begin_ns) & (due_ns < end_ns), end_ns, due_ns)
        blocks.append(records)
    return SendTimes.of(FEEDS, (1, 1), blocks)


SENDS = sends()


@dataclass(frozen=True)
class Case:
    """A tier that is written in batches, is halted now and then, and is looked at in some way."""

    arrivals: list[Arrival]
    samples: list[Sample]
    unreadable: list[tuple[int, int]]
    tolerance_ns: int
    sends: SendTimes = SENDS

    def looks(self) -> list[Look]:
        return list(replay(self.samples, self.sends, {}, 0, self.tolerance_ns))

    def measured(self) -> TierRecovery:
        return measure(self.looks(), self.sends, FAULT_NS, LOAD_NS, self.tolerance_ns, STABILITY_NS)

    def truth(self) -> Truth:
        unreadable = [stretch for stretch in self.unreadable if self.is_told(*stretch)]
        return truth(self.arrivals, self.sends, 0, FAULT_NS, LOAD_NS, self.tolerance_ns, unreadable)

    def is_told(self, begin_ns: int, end_ns: int) -> bool:
        """Tell whether a look can show that the tier couldn't be read.

        One that fails after the load's end can't while what was shown before it is young: the tier may
        have gone later.
        """
        shown_ns: int | None = None
        for look in self.looks():
            if look.before_ns >= LOAD_NS:
                return False
            young = shown_ns is not None and shown_ns + self.tolerance_ns >= LOAD_NS
            failed = look.oldest_ns is None and not (look.after_ns > LOAD_NS and young)
            if failed and look.before_ns < end_ns and look.after_ns >= begin_ns:
                return True
            shown_ns = look.oldest_ns
        return False


def case_of(seed: int) -> Case:
    random = Random(seed)  # noqa: S311  # cases, not secrets
    batch_ns = random.choice([random.randint(1, 100), random.randint(100, 1_000)]) * MS
    # (start, length): the second may begin within the first, or touch it.
    halts = [
        (random.randint(3_000, 15_000) * MS, random.randint(0, 6_000) * MS)
        for _ in range(random.randint(0, 3))
    ]
    one_feed_only = random.random() < 0.5
    still_ns = random.randint(3_000, 17_000) * MS
    sent = sends(still_ns, still_ns + random.choice([0, random.randint(0, 3_000)]) * MS)
    arrivals = []
    for at_ns in range(batch_ns, LOAD_NS, batch_ns):
        halted = any(a <= at_ns < a + length for a, length in halts)
        arrivals += [
            Arrival(at_ns, feed, sent.first_from(feed, at_ns + 1) - 1)
            for feed in range(len(FEEDS))
            if not halted or (one_feed_only and feed)
        ]
    # From looks at full rate to such that are rarer than any tolerance, each as slow as it likes.
    gap_ns, takes_ns = random.choice([10, 50, 300, 3_000]) * MS, random.choice([0, 5, 100, 400]) * MS
    unreadable: list[tuple[int, int]] = []
    if random.random() < 0.5:
        begin_ns = random.randint(3_000, 15_000) * MS
        # Long enough that a look falls into it.
        unreadable.append((begin_ns, begin_ns + 2 * (gap_ns + takes_ns) + random.randint(0, 3_000) * MS))
    samples = looked_at(arrivals, unreadable, gap_ns, takes_ns, random.random() < 0.5, random.uniform)
    way = random.random()
    if way < 0.2:  # nobody looks any more from some moment on
        ended_ns = random.randint(5_000, 21_000) * MS
        samples = [sample for sample in samples if sample.after_ns <= ended_ns]
    elif way < 0.4:  # a look hangs over the end, and fails: the tier may have gone at any moment of it
        begin_ns, end_ns = random.randint(15_000, 20_000) * MS, random.randint(20_001, 25_000) * MS
        samples = [sample for sample in samples if sample.after_ns <= begin_ns]
        samples.append(Sample(before_ns=begin_ns, after_ns=end_ns, error="timed out"))
        # Failed looks in a row are one stretch.
        in_a_row = len(samples) > 1 and samples[-2].error is not None
        gone_ns = samples[-2].after_ns if in_a_row else random.randint(begin_ns, end_ns)
        unreadable.append((gone_ns, end_ns + 1))
    elif way < 0.6:  # the next fault makes it unreadable, at about the end
        # A look succeeds in between: failed looks in a row are one stretch.
        least_ns = max((end_ns + 2 * (gap_ns + takes_ns) for _, end_ns in unreadable), default=0)
        begin_ns = max(least_ns, random.randint(19_500, 20_500) * MS)
        unreadable.append((begin_ns, begin_ns + 60_000 * MS))
        samples = looked_at(arrivals, unreadable, gap_ns, takes_ns, random.random() < 0.5, random.uniform)
    return Case(arrivals, samples, unreadable, random.choice([20, 200, 1_000, 4_000]) * MS, sent)


def looked_at(arrivals, unreadable, gap_ns, takes_ns, counted, uniform) -> list[Sample]:  # type: ignore[no-untyped-def]
    times = [arrival.at_ns for arrival in arrivals]
    shown, seen, samples = 0, [0, 0], []
    now_ns = 0
    while True:
        before_ns = now_ns + int(uniform(0.2, 1) * gap_ns) + 1
        after_ns = before_ns + int(uniform(0, 1) * takes_ns)
        if before_ns > LOAD_NS + 2 * (gap_ns + takes_ns):
            return samples
        moment_ns = int(uniform(before_ns, after_ns))
        now_ns = after_ns
        if any(a <= moment_ns < b for a, b in unreadable):
            samples.append(Sample(before_ns=before_ns, after_ns=after_ns, error="refused"))
            continue
        upto = bisect_right(times, moment_ns)
        new = []
        for arrival in arrivals[shown:upto]:
            if arrival.last > seen[arrival.feed]:
                new.append((arrival.feed, seen[arrival.feed] + 1, arrival.last))
                seen[arrival.feed] = arrival.last
        shown = upto
        counts = tuple(enumerate(seen)) if counted else ()
        samples.append(
            Sample(before_ns=before_ns, after_ns=after_ns, new=() if counted else tuple(new), counts=counts)
        )


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 32))
def test_the_truth_lies_within_what_is_stated(seed: int) -> None:
    case = case_of(seed)
    if not any(sample.after_ns >= FAULT_NS for sample in case.samples):
        return
    found, really = case.measured(), case.truth()

    def within(figure: Figure | None, true_ns: int | None) -> bool:
        return figure is None or (
            true_ns is not None and abs(figure.value_ns - true_ns) <= figure.uncertainty_ns
        )

    assert within(found.outage, really.outage_ns)
    assert within(found.detection, really.detection_ns)
    assert within(found.first_new, really.first_new_ns)
    if found.outcome is Outcome.RECOVERED:
        assert found.recovery is not None
        assert within(found.recovery, really.recovery_ns)
        assert within(found.backlog_gone, really.backlog_gone_ns)
        assert found.last_stale_ns is not None
        assert found.last_stale_ns <= (really.recovery_ns or 0)
    elif found.outcome is Outcome.NEVER_STALE:
        # What may have been missed is told.
        assert really.outage_ns <= found.unproven_ns
        assert not really.outage_ns or (really.recovery_ns or LOAD_NS) <= found.uncertainty_ns
    elif found.outcome is Outcome.NOT_MEASURED:
        assert really.outage_ns <= found.unproven_ns


@settings(max_examples=60, deadline=None)
@given(
    batch_ms=st.integers(1, 1_000),
    gap_ms=st.integers(50, 1_500),
    afterwards=st.sampled_from(["goes on", "fails", "fails, beginning before", "nothing"]),
)
def test_looks_in_time_prove_a_fresh_tier_to_be_fresh_without_a_break(
    batch_ms: int, gap_ms: int, afterwards: str
) -> None:
    batch_ns, gap_ns = batch_ms * MS, gap_ms * MS
    arrivals = [
        Arrival(at_ns, feed, at_ns // every_ns + 1)
        for at_ns in range(batch_ns, LOAD_NS, batch_ns)
        for feed, every_ns in enumerate(EVERY_NS)
    ]
    samples = looked_at(arrivals, [], gap_ns, 0, False, lambda _, high: high)
    # Whatever the next fault does that begins at the end: it takes nothing away from the time before it.
    if afterwards != "goes on":
        samples = [sample for sample in samples if sample.after_ns <= LOAD_NS]
    begins_ns = samples[-1].after_ns if afterwards == "fails, beginning before" else LOAD_NS
    for before_ns in range(begins_ns, LOAD_NS + 1_000 * MS, 300 * MS) if "fails" in afterwards else ():
        after_ns = max(before_ns, LOAD_NS) + 20 * MS
        samples.append(Sample(before_ns=before_ns, after_ns=after_ns, error="refused"))
    found = Case(arrivals, samples, [], batch_ns + gap_ns + 26 * MS).measured()
    assert (found.outcome, found.unproven_ns, found.uncertainty_ns) == (Outcome.NEVER_STALE, 0, 0)


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


@given(SPANS, st.tuples(st.integers(0, 60), st.integers(0, 60)))
def test_joined_spans_cover_what_the_spans_do(spans: list[tuple[int, int]], within: tuple[int, int]) -> None:
    covered = {t for a, b in spans for t in range(a, b) if within[0] <= t < within[1]}
    found = joined(spans, within)
    assert {t for a, b in found for t in range(a, b)} == covered
    assert length_ns(found) == len(covered)
    assert all(a[1] < b[0] for a, b in pairwise(found))


def looks(*times: tuple[int, int, int | None]) -> list[Look]:
    """Return looks by when they were and how old what they showed was."""
    return [Look(before, after, oldest, (), ()) for before, after, oldest in times]


@pytest.mark.parametrize(
    ("seen", "tolerance_ns", "begin_ns", "proof"),
    [
        pytest.param(
            looks((0, 2, 0), (8, 9, 5)), 9, 1, Proof((1, 15), [(2, 14)], [], []),
            id="after the last look nothing is known but that what it showed was young for a while",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5)), 10, 1, Proof((1, 15), [(2, 15)], [], []),
            id="what the last look showed may be young enough to the very end",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (14, 17, 12)), 20, 1, Proof((1, 15), [(2, 15)], [], []),
            id="a look that goes on after the end proves what the one before it showed up to it",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (18, 19, 12)), 8, 1, Proof((1, 15), [(2, 8), (9, 13)], [], []),
            id="a look after the end shows what may have come before it or not",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (18, 19, 5)), 8, 1,
            Proof((1, 15), [(2, 8), (9, 13)], [(13, 15)], [(13, 15)]),
            id="what a look after the end doesn't show wasn't there",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (12, 30, None)), 9, 1, Proof((1, 15), [(2, 8)], [], []),
            id="a look that fails after the end takes away what came before it, if that isn't young to the end",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (12, 30, None)), 10, 1, Proof((1, 15), [(2, 15)], [], []),
            id="if it is, it may have failed because of what came after the end",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (12, 15, None)), 10, 1, Proof((1, 15), [(2, 8)], [], [(12, 15)]),
            id="one that has failed by the end may not",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (15, 30, None)), 9, 1, Proof((1, 15), [(2, 14)], [], []),
            id="a look that begins as the time ends, and fails, takes nothing away",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (16, 17, None), (18, 19, None), (20, 21, 5)), 9, 1,
            Proof((1, 15), [(2, 14)], [(14, 15)], [(14, 15)]),
            id="nor do more of them, and the first that succeeds tells what wasn't there",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (14, 18, 12), (20, 22, None)), 20, 1,
            Proof((1, 15), [(2, 15)], [], []),
            id="what fails after a look that goes on after the end says nothing",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (15, 18, 4)), 9, 1, Proof((1, 15), [(2, 14)], [], []),
            id="what is gone in a look that begins after the end may be gone since",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (14, 18, 4)), 9, 1,
            Proof((1, 15), [(2, 14)], [(13, 14)], [(13, 14)]),
            id="but not in one that began before it",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (12, 30, None), (14, 31, 3)), 10, 1,
            Proof((1, 15), [(2, 15)], [(13, 14)], [(13, 14)]),
            id="nor if one fails beside it, or what was there before is young to the end",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (16, 17, 5), (18, 19, 2)), 10, 1, Proof((1, 15), [(2, 15)], [], []),
            id="of the looks that succeed after the end only the first one is asked",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, None), (16, 17, None), (18, 19, 17)), 20, 1,
            Proof((1, 15), [], [], [(8, 9)]),
            id="between a failed look and one that began after the end, and failed, it may have been back",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, None), (16, 17, 16)), 20, 1, Proof((1, 15), [], [], [(8, 9)]),
            id="from a failed look to one that succeeds after the end nothing is known",
        ),
        pytest.param(
            looks((0, 30, None)), 20, 1, Proof((1, 15), [], [], []),
            id="a look that takes all the time, and fails, tells nothing",
        ),
        pytest.param(
            [], 20, 1, Proof((1, 15), [], [], []), id="no look, no proof",
        ),
        pytest.param(
            looks((0, 1, 0), (4, 6, None), (10, 30, None)), 20, 0,
            Proof((0, 15), [], [(6, 10)], [(6, 10), (4, 6)]),
            id="between a failed look and one that fails after the end it was stale",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5)), 20, 1, Proof((1, 9), [(2, 9)], [], []),
            id="fresh from the first answer on: the time before it is unproven",
        ),
        pytest.param(
            looks((0, 1, 0), (10, 11, 0), (20, 21, 15), (25, 26, 15)), 5, 1,
            Proof((1, 26), [(1, 5)], [(5, 10), (20, 25)], [(5, 10), (20, 25)]),
            id="stale from when what was there became too old to the look that still shows no more",
        ),
        pytest.param(
            looks((0, 2, 0), (8, 9, 5), (12, 14, None), (20, 22, None), (30, 33, 29), (40, 41, 35)), 20, 1,
            Proof((1, 41), [(2, 8), (33, 41)], [(14, 20)], [(14, 20), (12, 14), (20, 22)]),
            id="between failed looks it was stale, around them nothing is known",
        ),
        pytest.param(
            looks((0, 1, 0), (2, 3, None), (4, 5, None), (6, 7, None), (8, 9, 8)), 20, 0,
            Proof((0, 9), [(9, 9)], [(3, 6)], [(3, 6), (2, 3), (4, 5), (6, 7)]),
            id="a run of failed looks is one stretch",
        ),
        pytest.param(
            looks((0, 1, 0), (4, 6, None), (8, 9, 8)), 20, 5, Proof((5, 9), [(9, 9)], [], [(5, 6)]),
            id="a single failed look proves a moment, not a stretch",
        ),
        pytest.param(
            looks((0, 1, 0), (4, 6, None), (8, 9, 8)), 20, 6, Proof((6, 9), [(9, 9)], [], [(6, 6)]),
            id="a failed look that ends as the fault begins counts",
        ),
        pytest.param(
            looks((0, 1, 0), (4, 6, None), (8, 9, 8)), 20, 7, Proof((7, 9), [(9, 9)], [], []),
            id="a failed look from before the fault says nothing of it",
        ),
        pytest.param(
            looks((0, 5, 0)), 5, 0, Proof((0, 5), [(5, 5)], [], []), id="as old as the tolerance is fresh"
        ),
        pytest.param(looks((0, 5, 0)), 4, 0, Proof((0, 5), [], [], []), id="older than the tolerance isn't"),
        pytest.param(
            looks((10, 11, 9), (20, 21, 2)), 5, 10, Proof((10, 21), [(11, 14)], [(10, 20)], [(10, 20)]),
            id="what was put back may have been so since the look before",
        ),
        pytest.param(
            looks((10, 11, 9), (20, 21, 2)), 5, 5, Proof((5, 21), [(11, 14)], [(10, 20)], [(10, 20)]),
            id="and was not so before it",
        ),
        pytest.param(
            looks((0, 1, 0), (4, 6, 3), (8, 9, None)), 20, 0, Proof((0, 9), [(1, 4)], [], [(8, 9)]),
            id="before a failed look that is the last one it is fresh up to the look before",
        ),
        pytest.param(
            looks((0, 1, 0), (10, 11, 5), (12, 13, 12)), 5, 0, Proof((0, 13), [(1, 5), (13, 13)], [], []),
            id="a look at the very moment from which it was too old shows nothing stale",
        ),
    ],
)  # fmt: skip
def test_looks_prove_this_and_no_more(
    seen: list[Look], tolerance_ns: int, begin_ns: int, proof: Proof
) -> None:
    assert prove(seen, tolerance_ns, begin_ns, proof.within[1]) == proof


@pytest.mark.parametrize(
    ("fresh", "stale", "unproven_ns", "doubtful_from_ns", "for_good_from_ns"),
    [
        ([(10, 30)], [], 0, None, 10),
        ([(12, 30)], [], 2, 10, 12),
        ([(10, 29)], [], 1, 29, None),
        ([(10, 15), (20, 30)], [(15, 18)], 2, 15, 20),
        ([], [(10, 30)], 0, 10, None),
        ([], [], 20, 10, None),
        ([(11, 14)], [(10, 30)], 0, 10, None),
        ([(10, 10)], [], 20, 10, None),
        ([(30, 30)], [], 20, 10, 30),
    ],
)
def test_what_is_neither_proven_fresh_nor_stale_is_unproven(
    fresh: list[tuple[int, int]],
    stale: list[tuple[int, int]],
    unproven_ns: int,
    doubtful_from_ns: int | None,
    for_good_from_ns: int | None,
) -> None:
    proof = Proof((10, 30), fresh, stale, stale)
    assert proof.unproven_ns == unproven_ns
    assert proof.not_proven_fresh_from_ns == doubtful_from_ns
    assert proof.fresh_for_good_from_ns == for_good_from_ns
