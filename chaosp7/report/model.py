"""What the page shows, typed, from the runs as they lie on disk. Pure; drawings included.

A run without evidence, without tiers or without series has its place here as well: what isn't known is
an empty list or None, and the page says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from chaosp7.report import charts
from chaosp7.report.figures import Figure, figures
from chaosp7.report.flow import Stage, stages
from chaosp7.report.losses import Loss, losses
from chaosp7.report.moments import bands, moments
from chaosp7.report.records import RunRecord
from chaosp7.report.rows import RunRow, SuiteRow, TierRow, run_rows, suite_row, tier_rows
from chaosp7.report.sentences import suite_sentence, suite_sentences, suite_verdict
from chaosp7.report.stats import recoveries
from chaosp7.report.timeline import timeline
from chaosp7.report.words import FaultView, Pair, environment, fault_views, measuring
from chaosp7.run.verdict import Verdict

__all__ = ["ExperimentView", "Page", "page"]

#: Timelines on a page up to which each has so many columns: it must stay small.
_COLUMNS = ((3, 750), (8, 300))
_COLUMNS_OF_MANY = 120


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """One experiment, with one run of it in detail.

    Attributes:
        key: its anchor.
        name: as it calls itself.
        verdict: the gravest of its runs.
        sentence: the result.
        shown: the run in detail: the gravest of those that began, of these the slowest.
        runs: a row per run.
        tiers: the account and the recovery of the run in detail.
        stages: the flow of its messages.
        chart: its timeline; None if there are no series.
        tier_names: those of the timeline, for its legend.
        losses: lost and otherwise wrong messages.
        losses_left_out: how many ranges aren't named.
        heat: lost messages by feed and send time; None if there are none or no series.
        distribution: recovery of all runs; None if nothing was measured.
        faults: what was injected, with its proof.
        measuring: sampling, proxies and clock.
        notes: what is missing.
    """

    key: str
    name: str
    verdict: Verdict
    sentence: str
    shown: RunRecord
    runs: list[RunRow]
    tiers: list[TierRow]
    stages: list[Stage]
    chart: Markup | None
    tier_names: list[str]
    losses: list[Loss]
    losses_left_out: int
    heat: Markup | None
    distribution: Markup | None
    faults: list[FaultView]
    measuring: list[Pair]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All of it, in the order in which it is read."""

    title: str
    verdict: Verdict
    headline: str
    sentence: str
    figures: list[Figure]
    rows: list[SuiteRow]
    experiments: list[ExperimentView]
    environment: list[Pair]


def page(runs: Sequence[RunRecord]) -> Page:
    """Return what the page shows of some runs, also of none."""
    by_experiment: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_experiment.setdefault(run.experiment, []).append(run)
    columns = next((c for most, c in _COLUMNS if len(by_experiment) <= most), _COLUMNS_OF_MANY)
    views = [
        _experiment(f"e{number}", name, found, columns)
        for number, (name, found) in enumerate(by_experiment.items(), start=1)
    ]
    said = suite_sentences(runs)
    return Page(
        title=next(iter(by_experiment)) if len(by_experiment) == 1 else f"{len(by_experiment)} experiments",
        verdict=suite_verdict(runs),
        headline=said[0],
        sentence=" ".join(said[1:]),
        figures=figures(runs),
        rows=[suite_row(view.key, view.name, by_experiment[view.name]) for view in views],
        experiments=views,
        environment=environment(runs),
    )


def _experiment(key: str, name: str, runs: Sequence[RunRecord], columns: int) -> ExperimentView:
    shown = min(runs, key=_telling)
    evidence, series = shown.evidence, shown.series
    chart = heat = None
    if evidence is not None and series is not None and series.buckets and series.tiers:
        tolerances = [report.tolerance_ms for report in evidence.recovery]
        chart = timeline(series, moments(evidence), bands(evidence), tolerances, columns, key)
        own = {tier.tier for tier in evidence.tiers if tier.lost_here}
        if rows := [row for row in series.heat if row.tier in own][:24]:
            heat = charts.heat_map(rows, max(series.load_end_s, 0.001), f"{key}-heat")
    spread = recoveries(runs)
    budget_s = next((run.evidence.budget.recovery_s for run in runs if run.evidence), None)
    found, left_out = losses(shown)
    return ExperimentView(
        key=key,
        name=name,
        verdict=suite_verdict(runs),
        sentence=suite_sentence(runs),
        shown=shown,
        runs=run_rows(runs),
        tiers=tier_rows(evidence),
        stages=stages(evidence),
        chart=chart,
        tier_names=[tier.tier for tier in series.tiers] if series else [],
        losses=found,
        losses_left_out=left_out,
        heat=heat,
        distribution=charts.repeats(spread, budget_s, f"{key}-spread") if spread else None,
        faults=fault_views(evidence),
        measuring=measuring(evidence),
        notes=shown.missing,
    )


def _telling(run: RunRecord) -> tuple[bool, int, float]:
    """Return what puts the run that has most to tell first."""
    worst = max(
        (max((t for t, _ in times), default=0.0) for times in recoveries([run]).values()), default=0.0
    )
    return not run.began, list(Verdict).index(run.verdict), -worst
