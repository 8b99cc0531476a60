"""What Prometheus reads is what the evidence says, whatever things are called."""

import dataclasses
import os
import re
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.synthetic_evidence import evidence
from chaosp7.errors import ReportError
from chaosp7.exports.exposition import Gauge, exposition
from chaosp7.exports.finished import record_of, write_figures
from chaosp7.exports.prometheus import _HELP, file_of, prometheus
from chaosp7.run import evidence as ev
from chaosp7.run.verdict import Verdict

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def samples(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def values(text: str, name: str, **labels: str) -> list[float]:
    return [s.value for s in samples(text) if s.name == name and labels.items() <= s.labels.items()]


def figures(run: ev.Evidence) -> str:
    return prometheus([record_of(run.experiment, run)])


def changed(**changes: object) -> ev.Evidence:
    return msgspec.structs.replace(evidence(), **changes)


def test_the_verdict_is_the_only_one_that_is_1() -> None:
    text = figures(evidence(lost=72))
    verdicts = {s.labels["verdict"]: s.value for s in samples(text) if s.name == "chaosp7_run_verdict"}
    assert set(verdicts) == set(map(str, Verdict))
    assert [name for name, value in verdicts.items() if value] == ["deviated"]


def test_every_tiers_classes_add_up_to_what_was_sent() -> None:
    text = figures(evidence(lost=72))
    (sent,) = values(text, "chaosp7_run_sent_messages")
    for tier in ("topic", "raw", "bronze", "silver", "gold"):
        assert sum(values(text, "chaosp7_tier_messages", tier=tier)) == sent == 20_000
    assert values(text, "chaosp7_tier_messages", tier="silver", **{"class": "lost"}) == [72]
    assert values(text, "chaosp7_tier_lost_here_messages", tier="silver") == [72]
    assert values(text, "chaosp7_tier_lost_here_messages", tier="gold") == [0]


def test_times_have_their_uncertainty_and_budgets_stand_beside_them() -> None:
    text, run = figures(evidence()), evidence()
    for report in run.recovery:
        assert values(text, "chaosp7_tier_recovery_seconds", tier=report.tier) == [report.recovery_s]
        assert values(text, "chaosp7_tier_recovery_uncertainty_seconds", tier=report.tier) == [0.04]
        assert values(text, "chaosp7_tier_outage_seconds", tier=report.tier) == [2.5]
        assert values(text, "chaosp7_tier_outage_uncertainty_seconds", tier=report.tier) == [0.03]
    assert values(text, "chaosp7_budget_recovery_seconds") == [10]
    assert values(text, "chaosp7_budget_messages", **{"class": "lost"}) == [0]
    assert values(text, "chaosp7_run_faults", state="proven") == [1]


def test_the_runs_end_is_on_the_wall_clock() -> None:
    (end_s,) = values(figures(evidence()), "chaosp7_run_end_timestamp_seconds")
    assert end_s == pytest.approx(1_793_000_000 + 43, abs=0.001)  # the drain's end, 43 s after the anchor


@pytest.mark.parametrize("outcome", ["not-recovered", "not-measured"])
def test_a_tier_that_was_not_seen_to_recover_never_looks_quick(outcome: str) -> None:
    last = msgspec.structs.replace(evidence().recovery[0], fault=1, outcome=outcome, recovery_s=None)
    text = figures(changed(recovery=[*evidence().recovery, last]))
    assert values(text, "chaosp7_tier_recovery_seconds", tier="topic") == [float("inf")]
    assert values(text, "chaosp7_tier_recovery_outcome", tier="topic", outcome=outcome) == [1]
    assert values(text, "chaosp7_tier_recovery_outcome", tier="topic", outcome="recovered") == [0]


def test_a_tier_that_never_went_stale_has_0_and_up_to_when_it_may_have_been() -> None:
    calm = msgspec.structs.replace(
        evidence().recovery[0], outcome="never-stale", recovery_s=None, uncertainty_s=0.3
    )
    text = figures(changed(recovery=[calm]))
    assert values(text, "chaosp7_tier_recovery_seconds") == [0]
    assert values(text, "chaosp7_tier_recovery_uncertainty_seconds") == [0.3]


def test_of_what_is_not_known_there_is_no_figure() -> None:
    cut_short = changed(tiers=[], recovery=[], source_loss={}, load=None, verdict="aborted")
    names = {sample.name for sample in samples(figures(cut_short))}
    assert not any("tier" in name or "source" in name or "sent" in name for name in names)
    nothing = prometheus([record_of("x", None)])
    assert {sample.name for sample in samples(nothing)} == {"chaosp7_run_verdict"}
    assert values(nothing, "chaosp7_run_verdict", verdict="error") == [1]
    assert values(nothing, "chaosp7_run_verdict", verdict="passed") == [0]


def test_a_run_that_never_began_is_in_no_series() -> None:
    good, never = record_of("x", changed(experiment="x")), record_of("x", None)
    text = prometheus([good, dataclasses.replace(never, began=False)])
    assert text == prometheus([good])
    assert values(text, "chaosp7_run_verdict", verdict="error") == [0]


def test_names_follow_the_conventions_and_are_explained() -> None:
    families = list(text_string_to_metric_families(figures(evidence(lost=1))))
    assert len(families) > 10
    for family in families:
        assert re.fullmatch(r"chaosp7_[a-z_]+", family.name)
        assert family.type == "gauge"
        assert family.documentation.endswith((".", "always 1."))
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert "_s_" not in family.name


@given(experiment=ANY_TEXT, platform=ANY_TEXT, tier=ANY_TEXT)
def test_any_name_comes_back_as_it_was(experiment: str, platform: str, tier: str) -> None:
    tiers = [msgspec.structs.replace(evidence().tiers[0], tier=tier)]
    text = figures(changed(experiment=experiment, platform=platform, tiers=tiers))
    found = [s.labels for s in samples(text) if s.name == "chaosp7_tier_unexpected_messages"]
    assert found == [{"experiment": experiment, "platform": platform, "tier": tier}]


def test_what_is_no_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    write_figures(tmp_path / "x.prom", record_of("lone \ud800 surrogate", evidence()))
    assert values(
        (tmp_path / "x.prom").read_text(),
        "chaosp7_run_verdict",
        experiment="lone ? surrogate",
        verdict="passed",
    )


def test_a_series_is_never_there_twice() -> None:
    tier = evidence().tiers[0]
    text = figures(changed(tiers=[tier, tier]))
    lines = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))


def test_a_help_text_stays_on_its_line() -> None:
    gauge = Gauge("x", "one\ntwo \\ three")
    gauge.set({}, float("nan"))
    assert exposition([gauge]) == "# HELP x one\\ntwo \\\\ three\n# TYPE x gauge\nx NaN\n"


def test_only_the_last_run_of_an_experiment_counts_wherever_it_stands() -> None:
    old, new = (msgspec.structs.replace(evidence(lost=n), run_id=f"2026010{n}T000000.000-x") for n in (1, 2))
    other = msgspec.structs.replace(new, platform="k2", run_id="20260101T000000.000-x")
    text = prometheus([record_of(run.experiment, run) for run in (new, old, other)])
    lost = {"tier": "silver", "class": "lost"}
    assert values(text, "chaosp7_tier_messages", platform="embedded", **lost) == [2]
    assert values(text, "chaosp7_tier_messages", platform="k2", **lost) == [2]


def test_a_file_is_replaced_whole_and_can_be_read_by_the_collector(tmp_path: Path) -> None:
    path = tmp_path / "below" / "x.prom"
    before = os.umask(0o022)
    try:
        for lost in (1, 2):
            write_figures(path, record_of("x", evidence(lost=lost)))
    finally:
        os.umask(before)
    assert [one.name for one in path.parent.iterdir()] == ["x.prom"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert values(path.read_text(), "chaosp7_tier_messages", tier="silver", **{"class": "lost"}) == [2]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError):
        write_figures(tmp_path / "file" / "x.prom", record_of("x", evidence()))


@pytest.mark.parametrize("title", ["../../up", "a/b", "x" * 500, "\n", "", "\ud800", ".", "ünï\x00"])
def test_in_a_folder_every_experiment_has_a_file_of_its_own(tmp_path: Path, title: str) -> None:
    others = [file_of(tmp_path, record_of(name, evidence())) for name in (f"{title} ", f"{title}-", "plain")]
    path = file_of(tmp_path, record_of(title, evidence()))
    assert path not in others
    assert path.parent == tmp_path
    write_figures(tmp_path, record_of(title, evidence()))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.name.endswith(".prom")


def test_the_guide_names_every_figure_and_no_other() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()
    told = re.findall(r"^\| `(chaosp7_\w+)` ", guide, re.MULTILINE)
    assert told == list(_HELP)
