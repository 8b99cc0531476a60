"""No run that was begun, or was to be, is missing from a report: the rest isn't all of it."""

import os
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from benchmarks.synthetic_evidence import evidence
from chaosp7.errors import ConfigError
from chaosp7.report import read_runs
from chaosp7.report.folders import find_runs
from chaosp7.report.html import html
from chaosp7.report.junit import junit
from chaosp7.report.model import page
from chaosp7.report.sentences import suite_verdict
from chaosp7.run import evidence as ev
from chaosp7.run.verdict import Verdict
from chaosp7.suite.record import SuiteRecord, SuiteRun, write_suite
from tests.report.test_model import save

GOOD, DEAD = "20260101T000000.000-restart", "20260101T000100.000-restart-2"


def suite_of(reports: Path, *runs: SuiteRun, interrupted: bool = False) -> Path:
    folder = reports / "20260101T000000.000-suite"
    folder.mkdir(parents=True)
    record = SuiteRecord(suite_id=folder.name, started_at="then", runs=list(runs), interrupted=interrupted)
    write_suite(record, folder)
    return folder


def whole(reports: Path, name: str = GOOD) -> Path:
    """Save a run that passed, in a folder of its name."""
    return save(reports / name, msgspec.structs.replace(evidence(), run_id=name))


def killed(reports: Path, name: str = DEAD, *left: str) -> Path:
    folder = save(reports / name)
    for trace in left or ("ledger.bin", "status.json"):
        (folder / trace).write_text("Killed")
    return folder


def verdicts(folder: Path) -> list[tuple[str, str]]:
    return sorted((one.run_id, str(one.verdict)) for one in read_runs([folder]))


def run(repetition: int, folder: str | None = None, verdict: str | None = None, *reasons: str) -> SuiteRun:
    return SuiteRun(
        experiment="restart", file="x.json", repetition=repetition, folder=folder, verdict=verdict,
        reasons=list(reasons),
    )  # fmt: skip


def test_runs_are_found_wherever_they_lie_and_once(tmp_path: Path) -> None:
    one = save(tmp_path / "a" / "reports" / "one", evidence())
    (tmp_path / "a" / "journal.json").write_text("{}")
    dead = save(tmp_path / "b" / "dead", journal={"status": "interrupted"})
    gone = killed(tmp_path / "c", "killed", "ledger.bin")
    assert set(find_runs([tmp_path, one, one / "evidence.json"])) == {one, dead, gone}
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


def test_a_journal_that_an_activity_leaves_is_no_run_but_only_in_a_folder_that_holds_its_own_evidence(
    tmp_path: Path,
) -> None:
    inner = save(whole(tmp_path) / "chaos", journal={"status": "completed"})
    assert verdicts(tmp_path) == [(GOOD, "passed")]
    # Evidence that was copied says nothing of what lies below it.
    shutil.move(tmp_path / GOOD, tmp_path / "elsewhere")
    assert set(find_runs([tmp_path])) == {tmp_path / "elsewhere", tmp_path / "elsewhere" / inner.name}
    (tmp_path / "elsewhere" / "evidence.json").write_text("{")
    assert len(find_runs([tmp_path])) == 2


@pytest.mark.parametrize(
    "left", [["ledger.bin", "status.json"], ["status.json"], ["output.log"], ["journal.json"]]
)
def test_evidence_copied_above_hides_no_killed_run_and_counts_with_its_own_run(
    tmp_path: Path, left: list[str]
) -> None:
    reports = tmp_path / "reports"
    shutil.copy(whole(reports) / "evidence.json", reports)
    killed(reports, DEAD, *left)
    expected = [(GOOD, "passed"), (DEAD, "error")]
    assert verdicts(reports) == expected
    shutil.move(reports / "evidence.json", tmp_path)
    assert verdicts(tmp_path) == expected
    assert len(read_runs([tmp_path / "evidence.json", reports / GOOD])) == 1


@pytest.mark.parametrize("left", ["ledger.bin", "status.json", "output.log", "journal.json"])
def test_evidence_below_a_killed_run_does_not_hide_it(tmp_path: Path, left: str) -> None:
    folder = killed(tmp_path, DEAD, left)
    whole(folder / "logs")
    assert verdicts(tmp_path) == [(GOOD, "passed"), (DEAD, "error")]


def test_a_killed_run_below_one_with_evidence_is_told(tmp_path: Path) -> None:
    killed(whole(tmp_path) / "again", DEAD, "output.log")
    killed(tmp_path / GOOD, "ledger", "ledger.bin")
    assert verdicts(tmp_path) == [(GOOD, "passed"), (DEAD, "error"), ("ledger", "error")]


def test_a_copy_of_a_run_counts_with_it_once_at_the_gravest(tmp_path: Path) -> None:
    (whole(tmp_path / "reports") / "ledger.bin").write_text("mine")
    shutil.copytree(tmp_path / "reports" / GOOD, tmp_path / "backup" / GOOD)
    shutil.copytree(tmp_path / "reports" / GOOD, tmp_path / "reports" / f"{GOOD}.bak")
    shutil.copytree(tmp_path / "reports" / GOOD, tmp_path / "reports" / "again")
    assert [one.folder.parent.name for one in read_runs([tmp_path / "reports", tmp_path])] == ["reports"]
    (tmp_path / "backup" / GOOD / "evidence.json").write_text("{")
    assert verdicts(tmp_path) == [(GOOD, "error")]


def test_another_run_s_evidence_does_not_take_a_run_away(tmp_path: Path) -> None:
    good = whole(tmp_path)
    (good / "ledger.bin").write_text("mine")
    shutil.copy(good / "evidence.json", killed(tmp_path, DEAD, "ledger.bin"))
    assert {one.folder.name for one in read_runs([tmp_path])} == {GOOD, DEAD}
    # Nor does a copy that says worse than what it was copied from.
    (tmp_path / DEAD / "ledger.bin").unlink()
    worse = msgspec.structs.replace(ev.read(good / "evidence.json"), verdict="deviated")
    ev.write(worse, tmp_path / DEAD / "evidence.json")
    assert verdicts(tmp_path) == [(GOOD, "deviated"), (GOOD, "passed")]


def test_two_runs_in_folders_of_the_same_everyday_name_are_two(tmp_path: Path) -> None:
    for job in ("one", "other"):
        save(tmp_path / job / "run", journal={"status": "interrupted"})
    assert len(read_runs([tmp_path])) == 2


@pytest.mark.parametrize("trace", ["output.log", "status.json"])
def test_what_other_programs_call_so_is_no_run(
    tmp_path: Path, trace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (save(tmp_path / "frontend" / "build") / trace).write_text("built")
    with pytest.raises(ConfigError, match="no run"):
        read_runs([tmp_path])
    folder = whole(tmp_path / "reports")
    assert find_runs([tmp_path]) == [folder]
    # Where a suite lists the folder, it is one whatever it is called.
    (save(tmp_path / "reports" / "odd") / trace).write_text("Killed")
    suite_of(tmp_path / "reports", run(1, "odd"))
    assert verdicts(tmp_path) == [(GOOD, "passed"), ("odd", "error")]
    # Nor does it matter from where a run's folder is looked at.
    monkeypatch.chdir(killed(tmp_path, DEAD, trace))
    assert find_runs([Path(os.curdir)]) == [tmp_path / DEAD]


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


def test_what_an_interrupted_suite_did_not_come_to_was_interrupted(tmp_path: Path) -> None:
    save(tmp_path / GOOD, evidence())
    suite = suite_of(tmp_path, run(1, GOOD, "passed"), run(2), interrupted=True)
    _, never = read_runs([tmp_path])
    assert (never.verdict, never.reasons) == (Verdict.INTERRUPTED, ("never began",))
    assert suite_verdict(read_runs([tmp_path])) is Verdict.INTERRUPTED
    # Which runs it had nobody can tell: that is an error, whatever ended it.
    (suite / "suite.json").write_text('{"interrupted": true}')
    assert read_runs([tmp_path])[1].verdict is Verdict.ERROR


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
