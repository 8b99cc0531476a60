"""No run that was begun, or was to be, is missing from a report: the rest isn't all of it."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.synthetic_evidence import evidence
from chaosp7.errors import ConfigError
from chaosp7.report import read_runs
from chaosp7.report.gather import find_runs
from chaosp7.report.html import html
from chaosp7.report.junit import junit
from chaosp7.report.model import page
from chaosp7.report.sentences import suite_verdict
from chaosp7.run.verdict import Verdict
from chaosp7.suite.record import SuiteRecord, SuiteRun, write_suite
from tests.report.test_model import save

GOOD, DEAD = "20260101T000000.000-restart", "20260101T000100.000-restart-2"


def suite_of(reports: Path, *runs: SuiteRun) -> Path:
    folder = reports / "20260101T000000.000-suite"
    folder.mkdir(parents=True)
    write_suite(SuiteRecord(suite_id=folder.name, started_at="then", runs=list(runs)), folder)
    return folder


def run(repetition: int, folder: str | None = None, verdict: str | None = None, *reasons: str) -> SuiteRun:
    return SuiteRun(
        experiment="restart", file="x.json", repetition=repetition, folder=folder, verdict=verdict,
        reasons=list(reasons),
    )  # fmt: skip


def test_runs_are_found_wherever_they_lie_and_once(tmp_path: Path) -> None:
    one = save(tmp_path / "a" / "reports" / "one", evidence())
    (tmp_path / "a" / "journal.json").write_text("{}")
    dead = save(tmp_path / "b" / "dead", journal={"status": "interrupted"})
    killed = tmp_path / "c" / "killed"
    killed.mkdir(parents=True)
    (killed / "ledger.bin").write_bytes(b"x")
    assert set(find_runs([tmp_path, one, one / "evidence.json"])) == {one, dead, killed}
    with pytest.raises(ConfigError, match="no run"):
        find_runs([save(tmp_path / "empty")])
    with pytest.raises(ConfigError, match="no such"):
        find_runs([tmp_path / "nowhere"])


@pytest.mark.parametrize("trace", ["output.log", "status.json"])
def test_a_run_that_was_killed_before_its_first_message_is_an_error(tmp_path: Path, trace: str) -> None:
    save(tmp_path / GOOD, evidence())
    (save(tmp_path / DEAD) / trace).write_text("Killed")
    runs = read_runs([tmp_path])
    assert [(one.run_id, one.verdict) for one in runs[1:]] == [(DEAD, Verdict.ERROR)]
    assert suite_verdict(runs) is Verdict.ERROR
    assert ET.fromstring(junit(runs)).get("errors") == "1"  # noqa: S314 - ours
    assert DEAD in html(runs)


def test_what_an_activity_writes_in_its_run_s_folder_is_no_run(tmp_path: Path) -> None:
    folder = save(tmp_path / GOOD, evidence())
    (save(folder / "logs") / "output.log").write_text("")
    assert find_runs([tmp_path]) == [folder]


def test_a_suite_tells_of_its_runs_that_left_nothing_or_never_began(tmp_path: Path) -> None:
    save(tmp_path / GOOD, evidence())
    (save(tmp_path / DEAD) / "output.log").write_text("Killed")
    suite = suite_of(
        tmp_path,
        run(1, GOOD, "passed"),
        run(2, DEAD, "error", "the run left no journal", "it said: Killed"),
        run(3, "gone", "passed"),
        run(4),
    )
    for named in (tmp_path, suite):  # a suite's folder stands for its runs
        good, dead, gone, never = read_runs([named])
        assert (good.verdict, good.reasons) == (Verdict.PASSED, ())
        assert (dead.experiment, dead.verdict) == ("restart", Verdict.ERROR)
        assert dead.reasons[:2] == ("the run left no journal", "it said: Killed")
        assert (gone.verdict, gone.reasons[0]) == (Verdict.ERROR, "there is no evidence of this run")
        assert never.run_id == "20260101T000000.000-suite/restart-4"
        assert (never.experiment, never.verdict, never.reasons) == (
            "restart", Verdict.ERROR, ("never began",),
        )  # fmt: skip
    # A run by its own name is that run, whatever suite it was in.
    assert [one.run_id for one in read_runs([tmp_path / GOOD / "evidence.json"])] == [good.run_id]


def test_a_suite_that_says_worse_than_the_evidence_counts(tmp_path: Path) -> None:
    save(tmp_path / GOOD, evidence())
    suite_of(tmp_path, run(1, GOOD, "error", "the journal is cut off"))
    (found,) = read_runs([tmp_path])
    assert (found.verdict, found.reasons) == (Verdict.ERROR, ("the journal is cut off",))


def test_a_suite_under_way_has_not_judged_its_run(tmp_path: Path) -> None:
    save(tmp_path / GOOD, evidence())
    suite_of(tmp_path, run(1, GOOD))
    (found,) = read_runs([tmp_path])
    assert found.verdict is Verdict.PASSED


def test_a_suite_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / GOOD, evidence())
    (suite_of(tmp_path) / "suite.json").write_text("{")
    _, lost = read_runs([tmp_path])
    assert (lost.verdict, "isn't known" in lost.reasons[0]) == (Verdict.ERROR, True)


def test_in_detail_a_run_is_shown_that_began(tmp_path: Path) -> None:
    save(tmp_path / GOOD, evidence("restart"))
    suite_of(tmp_path, run(1, GOOD, "passed"), run(2))
    shown = page(read_runs([tmp_path]))
    assert shown.verdict is Verdict.ERROR
    (experiment,) = shown.experiments
    assert experiment.chart
    assert [row.reasons for row in experiment.runs] == [(), ("never began",)]
