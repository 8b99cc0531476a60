"""Markdown keeps the tracker's rows and columns; JUnit is well-formed and counts right."""

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from benchmarks.synthetic_evidence import evidence
from chaosp7.report import read_run, read_runs
from chaosp7.report.junit import junit
from chaosp7.report.markdown import markdown
from chaosp7.run.evidence import OffloadReport
from tests.report.test_model import save


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  # our own


def table(text: str, heading: str) -> dict[str, list[str]]:
    lines = text.partition(f"## {heading}\n\n")[2].partition("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in [cells[0], *cells[2:]]}


def test_untested_rows_stay_pending_and_no_row_or_column_is_lost() -> None:
    text = markdown([])
    failures = table(text, "Failure Mode Test Results")
    assert failures.pop("Failure") == ["Expected Recovery", "Actual Recovery", "Data Loss", "Status"]
    assert list(failures) == [
        "Redpanda restart", "ClickHouse restart", "Feed Handler crash", "Silver Processor crash",
        "MinIO unavailable", "Network partition",
    ]  # fmt: skip
    assert all(row[1:] == ["--", "--", "⬜ Pending"] for row in failures.values())
    assert [row[0] for row in failures.values()] == ["10s", "15s", "5s", "10s", "N/A (retry)", "30s"]
    assert len(table(text, "Latency Benchmark Results")) == 8
    assert len(table(text, "Resource Budget Validation (24h Burn-In)")) == 15


def test_what_was_tested_is_filled_in(tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path / f"r{number}", evidence(number=number))
    save(tmp_path / "other", evidence("some | other", lost=72))
    text = markdown(read_runs([tmp_path]))
    failures = table(text, "Failure Mode Test Results")
    assert failures["Redpanda restart"] == [
        "10s",
        "4.44s / 4.56s / 4.56s (n = 2)",
        "0 of 40,000",
        "✅ 2 passed",
    ]
    assert failures["ClickHouse restart"][1:] == ["--", "--", "⬜ Pending"]
    assert "| some \\| other | 10s | 4.44s | 72 of 20,000 | ❌ deviated |" in text
    assert "72 messages lost at silver" in text


def offload(resumed_s: float | None, failures: int = 5) -> OffloadReport:
    return OffloadReport(
        fault=0,
        looks=80,
        unanswered=0,
        failures=failures,
        retries=failures,
        watermarks_moved=[],
        resumed_s=resumed_s,
        resumed_uncertainty_s=0.25,
    )


@pytest.mark.parametrize(
    ("reports", "words"),
    [
        ([offload(1.04)], "4.44s; offload goes on 1.04s after healing, 5 retries"),
        ([offload(None)], "4.44s; offload doesn't go on, 5 retries"),
        ([offload(1.04, failures=0)], "4.44s"),
        ([], "4.44s"),
    ],
)
def test_how_the_offload_went_on_stands_beside_the_recovery(
    tmp_path: Path, reports: list[OffloadReport], words: str
) -> None:
    save(tmp_path / "r", msgspec.structs.replace(evidence("minio-unavailable"), offload=reports))
    row = table(markdown(read_runs([tmp_path])), "Failure Mode Test Results")["MinIO unavailable"]
    assert row[:2] == ["N/A (retry)", words]


def test_of_several_runs_the_slowest_return_of_the_offload_is_told(tmp_path: Path) -> None:
    for number, resumed_s in enumerate((1.0, 2.5, None), start=1):
        given = evidence("minio-unavailable", number=number)
        save(tmp_path / f"r{number}", msgspec.structs.replace(given, offload=[offload(resumed_s)]))
    row = table(markdown(read_runs([tmp_path])), "Failure Mode Test Results")["MinIO unavailable"]
    assert row[1].endswith("; offload goes on 2.50s after healing at the latest in 2 of 3, 15 retries")


def test_a_run_without_an_account_is_unknown_and_not_without_loss(tmp_path: Path) -> None:
    save(tmp_path / "20260101T000000.000-redpanda-restart", journal={"status": "interrupted"})
    row = table(markdown(read_runs([tmp_path])), "Failure Mode Test Results")["Redpanda restart"]
    assert row == ["10s", "--", "unknown", "❌ interrupted"]


def test_junit_tells_failures_from_errors(tmp_path: Path) -> None:
    save(tmp_path / "good", evidence())
    save(tmp_path / "bad", evidence(number=2, lost=72))
    save(tmp_path / "20260101T000000.000-redpanda-restart", journal={"status": "interrupted"})
    root = parsed(junit(read_runs([tmp_path])))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    (failure,) = root.iter("failure")
    assert failure.get("message") == "72 messages lost at silver (budget 0)"
    assert failure.get("type") == "deviated"
    assert root.find("testsuite").get("name") == "redpanda-restart"  # type: ignore[union-attr]


def test_junit_of_nothing_is_an_error_and_of_odd_characters_is_well_formed(tmp_path: Path) -> None:
    assert parsed(junit([])).get("errors") == "1"
    run = read_run(save(tmp_path / "r", evidence("a\x00\x1b\ufffe<b>&")))
    assert parsed(junit([run])).find("testsuite").get("name") == "a���<b>&"  # type: ignore[union-attr]
