"""What is said of a fault: its times, and how the offload took it."""

import msgspec

from benchmarks.synthetic_evidence import evidence
from chaosp7.report.words import fault_views
from chaosp7.run.evidence import OffloadReport


def told(report: OffloadReport | None) -> dict[str, str]:
    given = msgspec.structs.replace(evidence(), offload=[] if report is None else [report])
    return dict(fault_views(given)[0].times)


def offload(moved: list[str], resumed_s: float | None) -> OffloadReport:
    return OffloadReport(
        fault=0,
        looks=80,
        unanswered=0,
        failures=5,
        retries=4,
        watermarks_moved=moved,
        resumed_s=resumed_s,
        resumed_uncertainty_s=0.26,
    )


def test_a_platform_without_an_offload_says_nothing_of_one() -> None:
    assert not [label for label in told(None) if "offload" in label]


def test_it_is_said_what_the_offload_did_during_a_fault_and_when_it_went_on() -> None:
    times = told(offload([], 1.03))
    assert times["offload meanwhile"] == "5 tries failed, 4 retries; no watermark moved"
    assert times["offload after that"] == "within 1.03 s, at most 0.26 s sooner"


def test_a_watermark_that_moved_and_an_offload_that_did_not_go_on_are_named() -> None:
    times = told(offload(["cold.ohlcv", "cold.silver_trades"], None))
    assert times["offload meanwhile"].endswith("; cold.ohlcv, cold.silver_trades moved")
    assert times["offload after that"] == "not seen to go on"
