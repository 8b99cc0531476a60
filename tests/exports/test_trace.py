"""A run's spans say when what was, on the wall clock, and no more than the evidence knows."""

from collections.abc import Iterator

import msgspec

from benchmarks.synthetic_evidence import evidence
from chaosp7.exports.finished import record_of
from chaosp7.exports.trace import Span, trace_of
from chaosp7.run import evidence as ev

S = 1_000_000_000


def trace(**changes: object) -> Span:
    run = msgspec.structs.replace(evidence(), **changes)
    found = trace_of(record_of(run.experiment, run))
    assert found is not None
    return found


def every(span: Span) -> Iterator[Span]:
    yield span
    for child in span.children:
        yield from every(child)


def named(span: Span, name: str) -> Span:
    (found,) = [one for one in every(span) if one.name == name]
    return found


def since_start_s(at_ns: int) -> float:
    clock = evidence().clock
    return (at_ns - clock.wall_ns) / 1e9


def test_a_run_holds_its_phases_its_faults_with_their_steps_and_each_tiers_outage() -> None:
    root = trace()
    assert [one.name for one in root.children] == [
        "phase load", "phase drain", "fault restart redpanda",
        *(f"outage {tier}" for tier in ("topic", "raw", "bronze", "silver", "gold")),
    ]  # fmt: skip
    fault = named(root, "fault restart redpanda")
    assert [one.name for one in fault.children] == ["inject and verify", "in force", "heal and verify"]
    for one in every(root):
        assert root.start_ns <= one.start_ns <= one.end_ns <= root.end_ns
        assert all(root.start_ns <= event.at_ns <= root.end_ns for event in one.events)


def test_times_are_the_evidences_on_the_wall_clock() -> None:
    root = trace()
    fault = named(root, "fault restart redpanda")
    assert [(e.name, since_start_s(e.at_ns)) for e in fault.events] == [
        ("injected", 12), ("verified", 12.04), ("undo ordered", 12.06), ("undone", 14),
    ]  # fmt: skip
    outage = named(root, "outage silver")
    assert abs(since_start_s(outage.start_ns) - 12.04 - 3.5) < 1e-6
    assert abs(since_start_s(outage.end_ns) - 12.04 - (4 + 1 / 9)) < 1e-6
    assert {"detected", "first new", "recovered", "whole again"} == {e.name for e in outage.events}
    assert outage.attributes["chaosp7.recovery_uncertainty_s"] == 0.04
    assert {"injected", "verified", "detected", "recovered", "drained"} <= {e.name for e in root.events}


def test_only_passed_is_good_and_why_not_is_told() -> None:
    assert trace().good is True
    bad = evidence(lost=72)
    root = trace_of(record_of(bad.experiment, bad))
    assert root is not None
    assert (root.good, root.problem) == (False, "deviated; 72 messages lost at silver (budget 0)")
    assert root.attributes["chaosp7.tier.silver.lost_here"] == 72


def test_a_fault_that_was_never_undone_lasts_to_the_runs_end_and_is_not_good() -> None:
    (fault,) = evidence().faults
    left = ev.FaultRecord(kind="pause", target="x", injected_ns=fault.injected_ns, error="no such process")
    root = trace(faults=[left, ev.FaultRecord(kind="kill", target="never ordered")])
    (span,) = [one for one in root.children if one.name.startswith("fault")]
    assert (span.end_ns, span.good, span.problem) == (root.end_ns, False, "no such process")
    assert span.children == ()


def test_a_tier_that_is_not_back_is_out_until_the_loads_end_and_one_that_never_was_has_no_outage() -> None:
    first, second, *_ = evidence().recovery
    gone = msgspec.structs.replace(first, outcome="not-recovered", recovery_s=None, backlog_gone_s=None)
    calm = msgspec.structs.replace(second, outcome="never-stale", recovery_s=None, detection_s=None)
    unknown = msgspec.structs.replace(second, outcome="not-measured", recovery_s=None, fault=7)
    root = trace(recovery=[gone, calm, unknown])
    (outage,) = [one for one in root.children if one.name.startswith("outage")]
    assert (outage.name, outage.good, since_start_s(outage.end_ns)) == ("outage topic", False, 40)
    assert "recovered" not in {event.name for event in outage.events}


def test_a_run_that_got_nowhere_is_a_moment_and_one_without_evidence_is_nothing() -> None:
    root = trace(phases=[], faults=[], load=None, tiers=[], recovery=[], verdict="error")
    assert (root.start_ns, root.children, root.good) == (root.end_ns, (), False)
    assert trace_of(record_of("x", None)) is None
