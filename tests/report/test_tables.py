"""Markdown keeps the tracker's rows and columns; JUnit is well-formed and counts right."""

from pathlib import Path
from xml.etree import ElementTree as ET

from chaosp7.report.junit import junit
from chaosp7.report.markdown import markdown
from chaosp7.report.plain import plain_json
from chaosp7.report.records import read_run


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


def test_a_run_that_left_nothing_is_an_error_in_every_report(tmp_path: Path) -> None:
    left_nothing = read_run(tmp_path / "20260101T000000.000-redpanda-restart")
    assert (left_nothing.experiment, left_nothing.verdict) == ("redpanda-restart", "error")
    root = parsed(junit([left_nothing]))
    assert [root.get(name) for name in ("tests", "errors", "failures")] == ["1", "1", "0"]
    assert "error" in table(markdown([left_nothing]), "Failure Mode Test Results")["Redpanda restart"][-1]
    assert '"verdict": "error"' in plain_json([left_nothing])
