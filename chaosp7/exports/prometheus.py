"""The figures of finished runs for Prometheus. Pure."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from chaosp7.exports.exposition import Gauge, exposition
from chaosp7.exports.moments import ended_ns
from chaosp7.report.records import RunRecord
from chaosp7.run.evidence import Evidence
from chaosp7.run.slowest import slowest
from chaosp7.run.verdict import Verdict
from chaosp7.run.wall_clock import wall_ns

__all__ = ["file_of", "prometheus"]

_CLASSES = ("delivered", "lost", "late", "corrupted", "duplicated", "reordered")
_OUTCOMES = ("recovered", "never-stale", "not-recovered", "not-measured")

#: What is no message of the budget.
_NO_MESSAGES = ("recovery_s",)

_HELP = {
    "chaosp7_run_verdict": "1 for the verdict of the last run, 0 for every other one.",
    "chaosp7_run_info": "Which run the figures are of; always 1.",
    "chaosp7_run_end_timestamp_seconds": "When the last run ended, Unix time.",
    "chaosp7_run_sent_messages": "Messages that the source sent in the last run.",
    "chaosp7_run_faults": "Faults of the last run: injected, and of those proven to begin, last and end.",
    "chaosp7_tier_messages": "Messages sent in the last run, by what became of them at the tier.",
    "chaosp7_tier_unexpected_messages": "Messages at the tier that were never sent.",
    "chaosp7_tier_lost_here_messages": "Messages that this tier lost: the one before it has them.",
    "chaosp7_source_lost_messages": "Messages that the first tier lacks, by what the source knew of them.",
    "chaosp7_tier_recovery_seconds": "From the verified start of the fault until the tier stayed fresh; of "
    "several faults the slowest. 0: never stale. +Inf: not seen to recover.",
    "chaosp7_tier_recovery_uncertainty_seconds": "The recovery lies within so much of what is stated.",
    "chaosp7_tier_recovery_outcome": "1 for what became of the tier after the fault, 0 for everything else.",
    "chaosp7_tier_outage_seconds": "Total time that the tier was stale after that fault.",
    "chaosp7_tier_outage_uncertainty_seconds": "The outage lies within so much of what is stated.",
    "chaosp7_budget_recovery_seconds": "Within which every tier has to be fresh again.",
    "chaosp7_budget_messages": "Messages of a kind that the experiment allows.",
}


def prometheus(runs: Iterable[RunRecord]) -> str:
    """Return the figures of the last run of each experiment on each platform.

    A run without evidence has a verdict and no figures: nothing is known of what it lost. One that never
    began has neither: its platform isn't known, and so no later run would ever take its place.

    Args:
        runs: in any order.
    """
    gauges = {name: Gauge(name, text) for name, text in _HELP.items()}
    for run in _last(run for run in runs if run.began):
        labels = _labels(run)
        for verdict in Verdict:
            gauges["chaosp7_run_verdict"].set(labels | {"verdict": str(verdict)}, int(verdict is run.verdict))
        if run.evidence is not None:
            gauges["chaosp7_run_info"].set(
                labels | {"run_id": run.run_id, "version": run.evidence.environment.chaosp7}, 1
            )
            _figures(gauges, labels, run.evidence)
    return exposition(list(gauges.values()))


def file_of(path: Path, run: RunRecord) -> Path:
    """Return the file that a run's figures go to.

    Args:
        path: the file itself, or a folder: each experiment and platform has a file of its own there.
        run: the run.
    """
    if not path.is_dir():
        return path
    names = tuple(_labels(run).values())
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", "-".join(names)).strip("-")[:80]
    # Two titles that only differ in what a file's name shouldn't hold are two experiments.
    unique = hashlib.sha256(repr(names).encode("utf-8", "replace")).hexdigest()[:8]
    return path / f"chaosp7-{readable}-{unique}.prom"


def _last(runs: Iterable[RunRecord]) -> Sequence[RunRecord]:
    # A run's id begins with the time at which it began.
    return list({tuple(_labels(run).values()): run for run in sorted(runs, key=lambda r: r.run_id)}.values())


def _labels(run: RunRecord) -> dict[str, str]:
    return {"experiment": run.experiment, "platform": run.evidence.platform if run.evidence else ""}


def _figures(gauges: dict[str, Gauge], labels: dict[str, str], evidence: Evidence) -> None:
    end_s = wall_ns(evidence.clock, ended_ns(evidence)) / 1e9
    gauges["chaosp7_run_end_timestamp_seconds"].set(labels, end_s)
    if evidence.load is not None:
        gauges["chaosp7_run_sent_messages"].set(labels, evidence.load.messages)
    faults = [f for f in evidence.faults if f.injected_ns is not None]
    proven = [f for f in faults if None not in (f.verified_start_ns, f.verified_end_ns) and f.lasted]
    for state, found in (("injected", faults), ("proven", proven)):
        gauges["chaosp7_run_faults"].set(labels | {"state": state}, len(found))
    for tier in evidence.tiers:
        at = labels | {"tier": tier.tier}
        for kind in _CLASSES:
            gauges["chaosp7_tier_messages"].set(at | {"class": kind}, getattr(tier, kind))
        gauges["chaosp7_tier_unexpected_messages"].set(at, tier.unexpected)
        gauges["chaosp7_tier_lost_here_messages"].set(at, tier.lost_here)
    for cause, count in evidence.source_loss.items():
        gauges["chaosp7_source_lost_messages"].set(labels | {"cause": cause}, count)
    _recovery(gauges, labels, evidence)
    _budget(gauges, labels, evidence)


def _recovery(gauges: dict[str, Gauge], labels: dict[str, str], evidence: Evidence) -> None:
    for name, report in slowest(evidence).items():
        at = labels | {"tier": name}
        never = report.outcome == "never-stale"
        seconds = 0.0 if never else math.inf if report.recovery_s is None else report.recovery_s
        for gauge, value in (
            ("recovery", seconds),
            ("recovery_uncertainty", report.uncertainty_s),
            ("outage", report.outage_s),
            ("outage_uncertainty", report.outage_uncertainty_s),
        ):
            gauges[f"chaosp7_tier_{gauge}_seconds"].set(at, value)
        for outcome in dict.fromkeys((*_OUTCOMES, report.outcome)):
            gauges["chaosp7_tier_recovery_outcome"].set(
                at | {"outcome": outcome}, int(outcome == report.outcome)
            )


def _budget(gauges: dict[str, Gauge], labels: dict[str, str], evidence: Evidence) -> None:
    if evidence.budget.recovery_s is not None:
        gauges["chaosp7_budget_recovery_seconds"].set(labels, evidence.budget.recovery_s)
    for kind, allowed in msgspec.structs.asdict(evidence.budget).items():
        if kind not in _NO_MESSAGES:
            gauges["chaosp7_budget_messages"].set(labels | {"class": kind}, allowed)
