"""The result on the terminal: one table and one sentence."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from chaosp7.run.evidence import Evidence, LostRange, RecoveryReport
from chaosp7.run.in_time import unseen
from chaosp7.run.slowest import slowest

__all__ = ["print_summary", "sentence"]

_COUNTS = ("sent", "delivered", "lost", "duplicated", "reordered", "corrupted")

#: Told only where there are any.
_RARE = ("late", "unexpected")

#: Why the first tier may lack a message without having lost it.
_AT_SOURCE = ("missed_at_source", "unacknowledged")

_RANGES_SHOWN = 5


def print_summary(evidence: Evidence, console: Console) -> None:
    """Print a run's result.

    Args:
        evidence: of the run.
        console: where to; plain text where it isn't a terminal.
    """
    if evidence.tiers:
        console.print(_table(evidence))
    for tier in evidence.tiers:
        for lost in tier.ranges[:_RANGES_SHOWN]:
            if lost.first_missing_at == tier.tier:
                console.print(f"  {_lost(lost, evidence)}", markup=False, highlight=False)
    style = "bold green" if evidence.verdict == "passed" else "bold red"
    console.print(sentence(evidence), style=style, markup=False, highlight=False)
    for reason in evidence.reasons:
        console.print(f"  - {reason}", markup=False, highlight=False)
    if tax := evidence.proxy_tax:
        console.print(
            f"Links run through proxies: each adds {tax.added_us / 1000:.3f} ms ± "
            f"{tax.uncertainty_us / 1000:.3f} to a round trip ({tax.link}, {tax.n} pairs).",
            markup=False,
            highlight=False,
        )


def sentence(evidence: Evidence) -> str:
    """Return the run's result in one sentence or two."""
    parts = [f"{evidence.experiment}: {evidence.verdict}."]
    recovered = [r for r in slowest(evidence).values() if r.outcome == "recovered"]
    if recovered:
        budget = evidence.budget.recovery_s
        limit = f" (budget {budget:g} s)" if budget is not None else ""
        times = ", ".join(f"{r.tier} after {_seconds(r)}" for r in recovered)
        of = f" after the worst of {len(evidence.faults)} faults" if len(evidence.faults) > 1 else ""
        parts.append(f"Fresh again{of}: {times}{limit}.")
    elif hidden := unseen(evidence):
        parts.append(f"Nobody can tell how long this was stale: {', '.join(hidden)}.")
    elif evidence.recovery and all(r.outcome == "never-stale" for r in evidence.recovery):
        parts.append("No tier ever went stale.")
    if evidence.tiers and evidence.load:
        sent = f"{evidence.load.messages:,}"
        full = all(t.delivered == t.sent for t in evidence.tiers)
        where = f"{sent} in every tier" if full else "not all in every tier"
        kinds = _shown(evidence)[2:]
        counts = ", ".join(f"{max(getattr(t, kind) for t in evidence.tiers):,} {kind}" for kind in kinds)
        parts.append(f"{sent} messages sent, {where}, {counts}.")
    return " ".join(parts)


def _shown(evidence: Evidence) -> list[str]:
    """Return what is counted: what is rare would only hide the rest."""
    return [*_COUNTS, *(kind for kind in _RARE if any(getattr(t, kind) for t in evidence.tiers))]


def _table(evidence: Evidence) -> Table:
    budget = evidence.budget.recovery_s
    counts = _shown(evidence)
    with_fault = bool(evidence.recovery)
    table = Table(title=f"{evidence.experiment}: {evidence.platform}", title_justify="left")
    table.add_column("tier")
    for name in counts:
        table.add_column(name, justify="right")
    if with_fault:
        table.add_column("recovery", justify="right")
        table.add_column("budget", justify="right")
    table.add_column("verdict")
    recovery = slowest(evidence)
    # What the source or the broker's confirmation lost is over its budget where the first tier lacks it.
    at_source = any(evidence.source_loss.get(c, 0) > getattr(evidence.budget, c) for c in _AT_SOURCE)
    for number, tier in enumerate(evidence.tiers):
        row = [tier.tier, *(f"{getattr(tier, name):,}" for name in counts)]
        report = recovery.get(tier.tier)
        if with_fault:
            row += [_seconds(report) if report else "-", f"{budget:g} s" if budget is not None else "-"]
        named = any(tier.tier in reason.replace(":", " ").split() for reason in evidence.reasons)
        bad = named or (at_source and number == 0)
        table.add_row(*row, "[red]not ok[/]" if bad else "[green]ok[/]")
    return table


def _seconds(report: RecoveryReport) -> str:
    if report.recovery_s is None:
        return report.outcome
    return f"{report.recovery_s:.2f} s ± {report.uncertainty_s:.2f}"


def _lost(lost: LostRange, evidence: Evidence) -> str:
    start_ns = evidence.load.start_ns if evidence.load else lost.sent_first_ns
    first_s, last_s = ((t - start_ns) / 1e9 for t in (lost.sent_first_ns, lost.sent_last_ns))
    count = lost.last - lost.first + 1
    return (
        f"lost at {lost.first_missing_at}: {count} of {lost.feed}, {lost.first}-{lost.last}, "
        f"sent {first_s:.3f} s to {last_s:.3f} s after the load's start"
    )
