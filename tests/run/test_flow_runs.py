"""A flow's failures and successes are placed beside the faults, and what isn't sure doesn't count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaosp7.run.evidence import ClockAnchor, FaultRecord
from chaosp7.run.flow_runs import (
    ClockOffset,
    Clocks,
    FlowRun,
    FlowState,
    Span,
    completed_after,
    failed_during,
    over,
)

S = 1_000_000_000
WALL = 1_700_000_000 * S


def clocks(offset: ClockOffset = ClockOffset(0, 0), set_s: float = 0) -> Clocks:  # noqa: B008  # it can't change
    """Return clocks whose wall clock was set forward in the 100 s that have passed."""
    now = ClockAnchor(monotonic_ns=100 * S, wall_ns=WALL + 100 * S + round(set_s * S))
    return Clocks(ClockAnchor(monotonic_ns=0, wall_ns=WALL), now, offset)


def run(*states: tuple[str, str, float]) -> FlowRun:
    return FlowRun("run", tuple(FlowState(name, kind, WALL + round(at_s * S)) for name, kind, at_s in states))


FAULT = Span(10 * S, 20 * S)


def test_a_failure_counts_in_the_fault_in_which_it_was_told() -> None:
    for name, kind, loud in [
        ("Failed", "FAILED", True),
        ("TimedOut", "FAILED", True),
        ("Crashed", "CRASHED", True),
        ("AwaitingRetry", "SCHEDULED", True),
        ("Scheduled", "SCHEDULED", False),
        ("Completed", "COMPLETED", False),
        ("Cancelled", "CANCELLED", False),
        ("Running", "RUNNING", False),
    ]:
        for at_s, within in ((9.9, False), (10, True), (20, True), (20.1, False)):
            assert bool(failed_during([run((name, kind, at_s))], FAULT, clocks())) == (loud and within), (
                name,
                at_s,
            )


def test_a_try_that_failed_counts_though_the_run_completed_in_the_end() -> None:
    tried = run(
        ("Running", "RUNNING", 11), ("AwaitingRetry", "SCHEDULED", 12), ("Completed", "COMPLETED", 25)
    )
    assert [state.name for state in failed_during([tried], FAULT, clocks())] == ["AwaitingRetry"]


def test_the_first_run_that_completed_after_the_fault_counts() -> None:
    runs = [run(("Completed", "COMPLETED", at_s)) for at_s in (19.9, 23, 21)] + [
        run(("Failed", "FAILED", 20.5))
    ]
    assert completed_after(runs, 20 * S, clocks()) == 21 * S
    assert completed_after(runs[:1], 20 * S, clocks()) is None


def test_what_may_have_been_outside_is_outside() -> None:
    unsure = clocks(ClockOffset(-S, S))
    assert unsure.uncertainty_s == 2
    for at_s, within in ((10.9, False), (11, True), (19, True), (19.1, False)):
        assert bool(failed_during([run(("Failed", "FAILED", at_s))], FAULT, unsure)) == within
    completed = [run(("Completed", "COMPLETED", at_s)) for at_s in (20.9, 21)]
    assert completed_after(completed, 20 * S, unsure) == 22 * S


@given(
    at_ns=st.integers(0, 100 * S),
    offset_ns=st.integers(-50 * S, 50 * S),
    slack=st.tuples(st.integers(0, S), st.integers(0, S)),
    set_ns=st.integers(-3 * S, 3 * S),
    set_at_ns=st.integers(0, 100 * S),
)
def test_a_moment_lies_in_its_span_whenever_the_clock_was_set(
    at_ns: int, offset_ns: int, slack: tuple[int, int], set_ns: int, set_at_ns: int
) -> None:
    told_ns = WALL + at_ns + offset_ns + (set_ns if at_ns >= set_at_ns else 0)
    offset = ClockOffset(offset_ns - slack[0], offset_ns + slack[1])
    now = ClockAnchor(monotonic_ns=100 * S, wall_ns=WALL + 100 * S + set_ns)
    placed = Clocks(ClockAnchor(monotonic_ns=0, wall_ns=WALL), now, offset)
    span = placed.span(told_ns)
    assert span.earliest_ns <= at_ns <= span.latest_ns
    assert placed.wall_ns(at_ns) <= told_ns
    assert span.latest_ns - span.earliest_ns == round(placed.uncertainty_s * 1e9)


def test_a_fault_that_was_not_seen_through_is_not_judged() -> None:
    seen = FaultRecord(kind="kill", target="minio", verified_start_ns=1, verified_end_ns=2)
    endless = FaultRecord(kind="kill", target="minio", verified_start_ns=1)
    assert list(over([endless, seen])) == [(1, Span(1, 2))]
