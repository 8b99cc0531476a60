"""What the offload told during a fault becomes a report: failures, watermarks, when it resumed."""

import pytest

from chaosp7.recorder.offload_watch import OffloadLook, parse
from chaosp7.run.evidence import FaultRecord
from chaosp7.run.offload import offload_reports, report_of

S = 1_000_000_000


def look(at_s: float, watermark: int | None = 0, failures: int = 0, retries: int = 0) -> OffloadLook:
    """Return a look that took 0.1 s; without a watermark it got no answer."""
    before_ns, after_ns = round(at_s * S), round((at_s + 0.1) * S)
    if watermark is None:
        return OffloadLook(before_ns=before_ns, after_ns=after_ns)
    return OffloadLook(
        before_ns=before_ns,
        after_ns=after_ns,
        counters={"failures": failures, "retries": retries},
        watermarks={"silver": watermark},
    )


def test_an_answer_in_prometheus_format_is_read() -> None:
    text = (
        "# HELP offload_failures_total Tries that failed.\n# TYPE offload_failures_total counter\n"
        'offload_failures_total 3\noffload_watermark{table="cold.silver_trades"} 41\n'
        'offload_lag_batches{table="cold.silver_trades"} 2\noffload_cycle_seconds 0.25\n'
    )
    found = parse(text, 1, 2)
    assert found.counters == {"failures": 3.0, "cycle_seconds": 0.25}
    assert found.watermarks == {"cold.silver_trades": 41}
    assert (found.before_ns, found.after_ns) == (1, 2)


def test_failures_and_retries_are_those_since_the_last_look_before_the_fault() -> None:
    looks = [look(8, 5, 1, 1), look(11, 5, 2, 1), look(14, 5, 4, 3), look(21, 9, 6, 5)]
    report = report_of(looks, 0, 10 * S, 20 * S)
    assert (report.looks, report.unanswered, report.failures, report.retries) == (2, 0, 3, 2)
    assert report.watermarks_moved == []


def test_a_process_that_began_anew_counts_from_nothing() -> None:
    looks = [look(8, 5, 10), look(11, 5, 11), look(13, None), look(15, 5, 2)]
    assert report_of(looks, 0, 10 * S, 20 * S).failures == 1 + 2


def test_a_watermark_that_moves_during_the_fault_is_named_but_not_a_commit_that_was_under_way() -> None:
    assert report_of([look(8, 5), look(11, 6), look(15, 6)], 0, 10 * S, 20 * S).watermarks_moved == []
    assert report_of([look(8, 5), look(11, 6), look(15, 7)], 0, 10 * S, 20 * S).watermarks_moved == ["silver"]


def test_a_commit_under_way_may_end_until_a_try_has_failed_and_none_after_it() -> None:
    before, slow = [look(8, 5, 3)], [look(11, 5, 3), look(12, 6, 3), look(13, 6, 4)]
    assert report_of([*before, *slow, look(15, 6, 5)], 0, 10 * S, 20 * S).watermarks_moved == []
    assert report_of([*before, *slow, look(15, 7, 5)], 0, 10 * S, 20 * S).watermarks_moved == ["silver"]


def test_without_any_failure_every_move_after_the_first_look_is_named() -> None:
    looks = [look(8, 5, 3), look(11, 5, 3), look(12, 6, 3), look(13, 6, 3)]
    assert report_of(looks, 0, 10 * S, 20 * S).watermarks_moved == ["silver"]


@pytest.mark.parametrize("edge", [look(9.95, 7), look(19.95, 7)])
def test_a_look_across_the_edge_of_a_fault_tells_nothing_of_it(edge: OffloadLook) -> None:
    looks = sorted([look(8, 5), look(11, 5), look(15, 5), edge], key=lambda one: one.before_ns)
    assert report_of(looks, 0, 10 * S, 20 * S).watermarks_moved == []


def test_it_resumed_when_a_watermark_was_first_seen_to_move_after_the_fault() -> None:
    looks = [look(15, 5), look(19, 5), look(21, 5), look(21.5, 6), look(24, 7)]
    report = report_of(looks, 0, 10 * S, 20 * S)
    assert report.resumed_s == pytest.approx(1.6)
    assert report.resumed_uncertainty_s == pytest.approx(0.6)
    assert report_of([*looks[:3], look(30, None)], 0, 10 * S, 20 * S).resumed_s is None


def test_only_faults_that_began_and_ended_are_reported_on() -> None:
    whole = FaultRecord(kind="refuse", target="a->b", verified_start_ns=10 * S, verified_end_ns=20 * S)
    open_ = FaultRecord(kind="refuse", target="a->b", verified_start_ns=10 * S)
    reports = offload_reports([look(8), look(12, 0, 1), look(25, 1)], [open_, whole])
    assert [(report.fault, report.failures) for report in reports] == [(1, 1)]
