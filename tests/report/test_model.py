"""What a run left is told as it is: nothing missing, broken or cut short is ever passed."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.synthetic_evidence import evidence, series
from chaosp7.report import read_run, read_runs, write
from chaosp7.report.html import html
from chaosp7.report.model import page
from chaosp7.run import evidence as ev
from chaosp7.run import series as se
from chaosp7.run.summary import sentence
from chaosp7.run.verdict import Verdict


def save(folder: Path, run: ev.Evidence | None = None, journal: Any = None, with_series: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if run is not None:
        ev.write(run, folder / "evidence.json")
        if with_series:
            se.write(series(), folder / "series.json")
    if journal is not None:
        (folder / "journal.json").write_text(json.dumps(journal))
    return folder


def changed(**changes: Any) -> ev.Evidence:
    return msgspec.structs.replace(evidence(), **changes)


def test_a_good_run_is_passed_and_told_in_numbers(tmp_path: Path) -> None:
    run = read_run(save(tmp_path / "r", evidence()))
    assert (run.verdict, run.reasons, run.missing) == (Verdict.PASSED, (), ())
    shown = page([run])
    assert shown.verdict is Verdict.PASSED
    assert 4 <= len(shown.figures) <= 6
    (row,) = shown.rows
    assert re.fullmatch(r"\d\.\d\d s", row.recovery)
    assert "20,000 messages 0 were lost" in shown.sentence
    (experiment,) = shown.experiments
    assert [stage.there for stage in experiment.stages] == [20_000] * 6
    assert experiment.chart


def test_a_tier_that_may_have_been_stale_unseen_was_not_never_stale(tmp_path: Path) -> None:
    for uncertainty_s, told in ((10.0, "No tier ever went stale."), (27.3, "Nobody can tell how long")):
        recovery = [
            msgspec.structs.replace(
                one,
                outcome="never-stale",
                recovery_s=None,
                uncertainty_s=uncertainty_s,
                unproven_s=uncertainty_s,
            )
            for one in evidence().recovery
        ]
        shown = page([read_run(save(tmp_path / f"{uncertainty_s}", changed(recovery=recovery)))])
        assert told in shown.sentence
        (row,) = shown.rows
        assert (row.recovery, row.share) == (
            ("never stale", 0) if uncertainty_s == 10 else ("not measured", None)
        )
        assert (shown.figures[1].value == "0.00") == (uncertainty_s == 10)
        assert told in sentence(changed(recovery=recovery))


def test_a_tier_that_nobody_looked_at_for_long_was_not_never_stale_without_a_budget_either(
    tmp_path: Path,
) -> None:
    for unproven_s, told in ((0.4, "No tier ever went stale."), (24.0, "Nobody can tell how long")):
        recovery = [
            msgspec.structs.replace(
                one, outcome="never-stale", recovery_s=None, uncertainty_s=25, unproven_s=unproven_s
            )
            for one in evidence().recovery[:1]
        ]
        given = changed(recovery=recovery, budget=ev.Budget())
        shown = page([read_run(save(tmp_path / f"{unproven_s}", given))])
        said = ("never stale", "0.00") if unproven_s < 1 else ("not measured", "-")
        assert told in shown.sentence
        (experiment,) = shown.experiments
        assert (experiment.runs[0].recovery, shown.figures[1].value) == said
        assert experiment.tiers[0].recovery == said[0]
        assert (experiment.distribution is None) == (unproven_s > 1)


def unmeasured(fault: int = 0) -> ev.RecoveryReport:
    return msgspec.structs.replace(
        evidence().recovery[0], fault=fault, outcome="not-measured", recovery_s=None, backlog_gone_s=None
    )


def test_a_recovery_that_was_not_measured_is_not_one_that_did_not_happen(tmp_path: Path) -> None:
    for name, recovery in (
        ("alone", [unmeasured()]),
        ("beside others", [unmeasured(), *evidence().recovery[1:]]),
        ("after the second of two faults", [*evidence().recovery, unmeasured(1)]),
    ):
        shown = page([run := read_run(save(tmp_path / name, changed(recovery=recovery)))])
        assert "Recovery wasn't measured: topic (budget 10 s)." in shown.sentence
        (experiment,) = shown.experiments
        assert (experiment.runs[0].recovery, experiment.tiers[0].recovery) == ("not measured",) * 2
        assert (shown.rows[0].recovery, shown.rows[0].share) == ("not measured", None)
        assert shown.figures[1].basis == "not measured in any run"
        assert "not recovered" not in html([run])
    # That it wasn't seen to recover from another fault is known all the same, and graver.
    gone = msgspec.structs.replace(unmeasured(1), outcome="not-recovered")
    shown = page([read_run(save(tmp_path / "both", changed(recovery=[unmeasured(), gone])))])
    assert "Not seen to recover: topic (budget 10 s)." in shown.sentence
    assert "wasn't measured" not in shown.sentence
    (experiment,) = shown.experiments
    assert (experiment.runs[0].recovery, experiment.tiers[0].recovery) == ("not recovered",) * 2


def test_of_many_runs_those_of_which_nobody_can_tell_are_counted(tmp_path: Path) -> None:
    save(tmp_path / "good", evidence())
    other = msgspec.structs.replace(evidence(number=2), recovery=[unmeasured()])
    save(tmp_path / "unmeasured", other)
    shown = page(read_runs([tmp_path]))
    assert "Of 1 run nobody can tell when every tier was fresh again." in shown.sentence
    assert "didn't recover" not in shown.sentence
    assert shown.rows[0].share is None


def test_a_loss_is_told_at_its_tier_with_its_ranges(tmp_path: Path) -> None:
    (experiment,) = page([read_run(save(tmp_path / "r", evidence(lost=72)))]).experiments
    assert [s.name for s in experiment.stages if s.lost_here] == ["silver"]
    assert len(experiment.losses) == 36
    assert {(loss.tier, loss.count) for loss in experiment.losses} == {("silver", 2)}
    assert experiment.losses[0].sent == "1.000 to 1.010 s"
    assert experiment.heat


def test_a_journal_that_says_worse_counts(tmp_path: Path) -> None:
    journal = {"status": "completed", "x-chaosp7": {"verdict": "error", "reasons": ["a reader failed"]}}
    run = read_run(save(tmp_path / "r", evidence(), journal))
    assert (run.verdict, run.reasons) == (Verdict.ERROR, ("a reader failed",))
    run = read_run(save(tmp_path / "i", evidence(), {"status": "interrupted"}))
    assert run.verdict is Verdict.INTERRUPTED


def test_a_journal_two_folders_above_is_taken_if_it_names_the_run(tmp_path: Path) -> None:
    folder = save(tmp_path / "reports" / "mine", evidence())
    journal = {
        "status": "completed",
        "x-chaosp7": {"verdict": "passed", "evidence": "reports/mine/evidence.json"},
    }
    (tmp_path / "journal.json").write_text(json.dumps(journal))
    assert read_run(folder).journal == journal
    (tmp_path / "journal.json").write_text(json.dumps(journal).replace("mine", "other"))
    assert read_run(folder).journal is None


BROKEN: dict[str, tuple[bytes | None, Any, Verdict]] = {
    "nothing at all": (None, None, Verdict.ERROR),
    "an empty file": (b"", None, Verdict.ERROR),
    "half a file": (b'{"schema_version": 1, "run_id": "x", "exp', None, Verdict.ERROR),
    "something else": (b"[]", None, Verdict.ERROR),
    "no text": (b"\xff\xfe\x00", None, Verdict.ERROR),
    "too deep": (b"[" * 100_000, None, Verdict.ERROR),
    "only a journal that was interrupted": (None, {"status": "interrupted"}, Verdict.INTERRUPTED),
    "only a journal that was aborted": (None, {"status": "aborted"}, Verdict.ABORTED),
    "only a journal that is happy": (None, {"status": "completed", "deviated": False}, Verdict.ERROR),
    "a journal that says passed without evidence": (None, {"status": "completed", "x-chaosp7": {"verdict": "passed"}}, Verdict.ERROR),
    "an interrupted journal that says passed": (None, {"status": "interrupted", "x-chaosp7": {"verdict": "passed"}}, Verdict.ERROR),
    "a journal of ours that was interrupted before there was any evidence": (None, {"status": "interrupted", "x-chaosp7": {"verdict": "interrupted"}}, Verdict.INTERRUPTED),
    "an interrupted journal with damaged evidence": (b"{", {"status": "interrupted", "x-chaosp7": {"verdict": "interrupted"}}, Verdict.ERROR),
    "an interrupted journal that says error": (None, {"status": "interrupted", "x-chaosp7": {"verdict": "error"}}, Verdict.ERROR),
    "a dry run": (None, {"status": "completed", "x-chaosp7": {"verdict": None, "dry": "actions"}}, Verdict.ERROR),
    "a journal of another shape": (None, [1], Verdict.ERROR),
    "a journal whose result is another shape": (None, {"x-chaosp7": 7, "experiment": 7}, Verdict.ERROR),
}  # fmt: skip


@pytest.mark.parametrize(("content", "journal", "verdict"), BROKEN.values(), ids=BROKEN)
def test_a_broken_run_has_a_model_and_is_not_passed(
    tmp_path: Path, content: bytes | None, journal: Any, verdict: Verdict
) -> None:
    folder = save(tmp_path / "20260101T000000.000-some-name", journal=journal)
    if content is not None:
        (folder / "evidence.json").write_bytes(content)
    (folder / "series.json").write_bytes(b"{")
    run = read_run(folder)
    assert run.verdict is verdict
    assert run.reasons
    assert run.experiment == "some-name"
    assert page([run]).verdict is verdict
    assert "accounted for no message" in html([run]) or "No message was accounted for" in html([run])


@pytest.mark.parametrize(
    "changes",
    [{"tiers": []}, {"load": None}, {"verdict": "splendid"}, {"schema_version": 99}, {"verdict": ""}],
    ids=lambda changes: next(iter(changes)),
)
def test_evidence_that_contradicts_itself_is_an_error(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = read_run(save(tmp_path / "r", changed(**changes)))
    assert run.verdict is Verdict.ERROR
    html([run])


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.PASSED])
def test_every_other_verdict_is_shown_as_it_is(tmp_path: Path, verdict: Verdict) -> None:
    cut_short = changed(verdict=str(verdict), reasons=["why"], tiers=[], recovery=[], load=None, faults=[])
    run = read_run(save(tmp_path / "r", cut_short, with_series=False))
    assert run.verdict is verdict
    text = html([run])
    assert f"</span> {verdict}</span>" in text
    assert "</span> passed</span>" not in text


def test_a_tier_that_did_not_recover_is_told(tmp_path: Path) -> None:
    recovery = [
        msgspec.structs.replace(r, outcome="not-recovered", recovery_s=None, backlog_gone_s=None) if r.tier == "raw" else r
        for r in evidence().recovery
    ]  # fmt: skip
    run = read_run(save(tmp_path / "r", changed(recovery=recovery, verdict="deviated", reasons=["raw"])))
    shown = page([run])
    assert "Not seen to recover: raw" in shown.sentence
    assert shown.rows[0].share is None
    assert "recovered " not in str(shown.experiments[0].chart)


def test_no_runs_are_nothing_tested() -> None:
    shown = page([])
    assert shown.verdict is Verdict.ERROR
    assert "Nothing was tested" in html([])


def test_one_bad_run_of_many_gives_the_verdict_and_is_shown_in_detail(tmp_path: Path) -> None:
    for number in range(1, 5):
        save(tmp_path / f"r{number}", evidence(number=number, lost=72 if number == 2 else 0))
    runs = read_runs([tmp_path])
    shown = page(runs)
    assert shown.verdict is Verdict.DEVIATED
    assert shown.headline == "3 of 4 runs passed; 1 deviated."
    (experiment,) = shown.experiments
    assert experiment.shown.run_id == evidence(number=2).run_id
    assert len(experiment.runs) == 4


def test_reports_are_written_whole(tmp_path: Path) -> None:
    save(tmp_path / "r", evidence())
    out = {name: tmp_path / "new" / f"out.{name}" for name in ("html", "markdown", "junit", "json")}
    (run,) = write([tmp_path / "r"], **out)
    assert run.verdict is Verdict.PASSED
    assert all(path.stat().st_size > 300 for path in out.values())
    assert len(list((tmp_path / "new").iterdir())) == 4
    assert json.loads(out["json"].read_text())["runs"][0]["evidence"]["load"]["messages"] == 20_000
