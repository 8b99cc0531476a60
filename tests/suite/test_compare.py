"""What is compared with what, and how certain a difference is."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaosp7.errors import ConfigError
from chaosp7.run import evidence as ev
from chaosp7.suite.compare import compare
from chaosp7.suite.record import SuiteRecord, SuiteRun, write_suite
from chaosp7.suite.saved import Kept, all_runs, recoveries, runs_of
from chaosp7.suite.trend import Recovery
from tests.suite.evidences import evidence, recovery


def kept(*recoveries: ev.RecoveryReport, verdict: str = "passed", **changes: int) -> Kept:
    run = evidence(verdict=verdict, recoveries=list(recoveries))
    tiers = [msgspec.structs.replace(tier, **changes) for tier in run.tiers]
    return Kept(run.experiment, verdict, msgspec.structs.replace(run, tiers=tiers))


@pytest.mark.parametrize(
    ("one", "other", "change"),
    [
        ((3.0, "recovered"), (3.1, "recovered"), "no difference shown"),
        ((3.0, "recovered"), (3.5, "recovered"), "slower"),
        ((3.5, "recovered"), (3.0, "recovered"), "faster"),
        ((3.0, "recovered"), (None, "not-recovered"), "slower"),
        ((None, "not-recovered"), (3.0, "recovered"), "faster"),
        ((None, "not-recovered"), (None, "not-recovered"), "no difference shown"),
        ((3.0, "recovered"), (None, "not-measured"), "not measured"),
        ((3.0, "recovered"), (None, "never-stale"), "faster"),
    ],
)
def test_sides_differ_only_beyond_their_uncertainties(
    one: tuple[float | None, str], other: tuple[float | None, str], change: str
) -> None:
    left, right = ([kept(recovery("topic", t, outcome=o), lost=2)] for t, o in (one, other))
    (found,) = compare(left, right)
    assert found.tiers[0].change == change
    assert found.tiers[0].one.lost == 2


def never_stale(uncertainty_s: float, unproven_s: float = 0.0) -> ev.RecoveryReport:
    report = recovery("topic", None, uncertainty_s, "never-stale")
    return msgspec.structs.replace(report, unproven_s=unproven_s)


def test_a_tier_that_was_never_seen_stale_is_as_uncertain_as_the_looks_leave_it() -> None:
    (found,) = compare([kept(recovery("topic", 3.0))], [kept(never_stale(20.0))])
    (tier,) = found.tiers
    assert (tier.change, tier.other.n, tier.other.low_s, tier.other.high_s) == (
        "no difference shown", 1, 0.0, 20.0,
    )  # fmt: skip
    of_two_faults = evidence(recoveries=[never_stale(0.5), never_stale(4.0)])
    assert recoveries(of_two_faults) == {"topic": Recovery(0.0, 4.0)}


def test_a_tier_that_nobody_looked_at_for_long_was_not_measured() -> None:
    (found,) = compare([kept(recovery("topic", 3.0))], [kept(never_stale(30.0, unproven_s=29.0))])
    assert (found.tiers[0].change, found.tiers[0].other.n) == ("not measured", 0)
    # Nor was it if it is so after one of two faults only.
    assert recoveries(evidence(recoveries=[recovery("topic", 3.0), never_stale(30.0, 29.0)])) == {}


def test_of_several_faults_a_tier_s_recovery_is_as_uncertain_as_the_vaguest_leaves_it() -> None:
    one, vaguer = recovery("topic", 2.0, 0.1), recovery("topic", 1.9, 3.0)
    (found,) = compare([kept(one, vaguer)], [kept(recovery("topic", 3.0))])
    (tier,) = found.tiers
    assert tier.change == "no difference shown"
    assert (tier.one.low_s, tier.one.high_s) == (pytest.approx(1.9), pytest.approx(4.9))
    for both in ([one, never_stale(25.0, 0.4)], [never_stale(25.0, 0.4), one]):
        (mixed,) = recoveries(evidence(recoveries=both)).values()
        assert (mixed.low_s, mixed.high_s) == (pytest.approx(1.9), pytest.approx(25.0))
    # What is slower whatever the other took is that one, and one that didn't recover is slower than any.
    assert recoveries(evidence(recoveries=[one, recovery("topic", 5.0)])) == {"topic": Recovery(5.0, 0.1)}
    gone = recovery("topic", None, outcome="not-recovered")
    assert recoveries(evidence(recoveries=[gone, vaguer])) == {"topic": Recovery(math.inf)}


@pytest.mark.parametrize("verdict", ["error", "interrupted", "fault-not-verified", "drain-timeout"])
def test_a_run_that_was_not_carried_out_has_a_verdict_and_no_figures(verdict: str) -> None:
    good = kept(recovery("topic", 3.0))
    bad = kept(recovery("topic", 1.0), verdict=verdict, lost=9)
    (found,) = compare([good], [bad])
    assert (found.verdicts, found.other_verdicts) == (["passed"], [verdict])
    assert (found.tiers[0].change, found.tiers[0].other.lost) == ("not measured", None)
    (found,) = compare([good], [good, bad])
    assert (found.tiers[0].other.n, found.tiers[0].other.low_s, found.tiers[0].other.lost) == (1, 2.9, 0)


def test_all_that_may_be_wrong_is_counted() -> None:
    wrong = {"duplicated": 500, "reordered": 3, "corrupted": 2, "unexpected": 7}
    (found,) = compare([kept()], [kept(**wrong), kept(lost=1, late=4)])
    (tier,) = found.tiers
    assert {name: getattr(tier.other, name) for name in wrong} == wrong
    assert {getattr(tier.one, name) for name in (*wrong, "lost", "late")} == {0}
    assert (tier.other.lost, tier.other.late) == (5, 4)


def suite(reports: Path, *runs: dict[str, Any]) -> Path:
    folder = reports / "a-suite"
    folder.mkdir()
    listed = [SuiteRun(experiment="x", file="x.json", repetition=n, **run) for n, run in enumerate(runs, 1)]
    write_suite(SuiteRecord(suite_id="a-suite", started_at="then", runs=listed), folder)
    return folder


def saved(reports: Path, run_id: str, text: bytes | None = None) -> str:
    (reports / run_id).mkdir()
    if text is None:
        ev.write(evidence(run_id, recoveries=[recovery("topic", 3.0)]), reports / run_id / "evidence.json")
    else:
        (reports / run_id / "evidence.json").write_bytes(text)
    return run_id


def test_a_suite_s_verdicts_are_its_own_of_every_run(tmp_path: Path) -> None:
    folder = suite(
        tmp_path,
        {"folder": saved(tmp_path, "good"), "verdict": "passed"},
        {"folder": "nothing-left", "verdict": "error"},
        {"folder": saved(tmp_path, "damaged", b"{"), "verdict": "error"},
        {"folder": saved(tmp_path, "at-odds"), "verdict": "error"},
        {"folder": saved(tmp_path, "unjudged")},
        {"folder": "under-way"},
        {},
    )
    (found,) = compare(runs_of(folder), runs_of(tmp_path / "good"))
    assert found.verdicts == ["passed", "error", "error", "error", "passed", "no verdict", "never began"]
    assert (found.other_verdicts, found.tiers[0].one.n) == (["passed"], 2)


def test_damaged_evidence_of_a_run_that_counts_is_told(tmp_path: Path) -> None:
    folder = suite(tmp_path, {"folder": saved(tmp_path, "damaged", b"{"), "verdict": "passed"})
    with pytest.raises(ConfigError, match="can't be read"):
        runs_of(folder)


def test_a_single_run_has_the_verdict_of_its_suite_where_that_is_graver(tmp_path: Path) -> None:
    suite(
        tmp_path,
        {"folder": saved(tmp_path, "at-odds"), "verdict": "error"},
        {"folder": saved(tmp_path, "good"), "verdict": "passed"},
        {"folder": saved(tmp_path, "unjudged")},
    )
    saved(tmp_path, "alone")
    names = ("at-odds", "good", "unjudged", "alone")
    assert [runs_of(tmp_path / name)[0].verdict for name in names] == ["error", "passed", "passed", "passed"]
    (found,) = compare(runs_of(tmp_path / "at-odds"), runs_of(tmp_path / "good"))
    assert found.tiers[0].change == "not measured"
    found_runs, problems = all_runs(tmp_path)
    assert {run.run_id: run.verdict for run in found_runs} == {
        "at-odds": "error", "good": "passed", "unjudged": "passed", "alone": "passed",
    }  # fmt: skip
    assert problems == []


def test_where_a_suite_cannot_be_read_nobody_knows_its_runs_verdicts(tmp_path: Path) -> None:
    folder = suite(tmp_path, {"folder": saved(tmp_path, "one"), "verdict": "error"})
    (folder / "suite.json").write_text("{")
    with pytest.raises(ConfigError, match="isn't known"):
        runs_of(tmp_path / "one")
    _, problems = all_runs(tmp_path)
    assert ["isn't known" in problem for problem in problems] == [True]


def test_a_history_tells_of_runs_without_evidence_and_of_no_other_program_s_files(tmp_path: Path) -> None:
    suite(tmp_path, {"folder": "odd", "verdict": "error"})
    for name in ("odd", "build", "20260101T000000.000-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "output.log").write_text("")
    _, problems = all_runs(tmp_path)
    assert [problem.partition(": ")[0] for problem in problems] == [
        str(tmp_path / name) for name in ("20260101T000000.000-x", "odd")
    ]
