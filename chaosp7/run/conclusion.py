"""From what a run has found out to its verdict and its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosp7.platform.model import Platform
from chaosp7.run import evidence as ev
from chaosp7.run.accounting import Accounts
from chaosp7.run.environment import this_machine
from chaosp7.run.plan import RunPlan
from chaosp7.run.reports import tier_reports
from chaosp7.run.verdict import Findings, judge

__all__ = ["Conclusion"]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a run has found out so far.

    Attributes:
        run: its id.
        accounts: the final ones; None if there are none.
        drained: the tiers that had come to rest.
        errors: what couldn't be measured, in words.
        objections: what a test has found wrong by itself, in words.
        aborted: how a safeguard was missed that ended the run, in words.
    """

    run: str
    model: Platform
    plan: RunPlan
    clock: ev.ClockAnchor
    phases: Sequence[ev.Phase]
    faults: Sequence[ev.FaultRecord]
    load: ev.LoadReport | None
    accounts: Accounts | None
    drained: Sequence[str]
    recovery: Sequence[ev.RecoveryReport]
    proxy_tax: ev.ProxyTax | None
    offload: Sequence[ev.OffloadReport]
    errors: Sequence[str]
    objections: Sequence[str]
    aborted: str | None

    def evidence(self, journal: Mapping[str, Any]) -> ev.Evidence:
        """Judge, and return everything that the verdict rests on.

        Args:
            journal: Chaos Toolkit's, or what stands in its place: its ``status`` at least.
        """
        tiers = tier_reports(self.accounts, self.drained) if self.accounts else []
        causes = self.accounts.attribution.counts() if self.accounts else {}
        findings = Findings(
            tiers_expected=list(self.model.tiers),
            budget=self.plan.budget,
            load=self.load,
            tiers=tiers,
            source_loss=causes,
            recovery=self.recovery,
            faults=self.faults,
            faults_expected=self.plan.faults_expected,
            errors=self.errors,
            aborted=self.aborted,
            objections=self.objections,
        )
        judgement = judge(journal, findings)
        return ev.Evidence(
            run_id=self.run,
            experiment=self.plan.experiment,
            platform=self.model.name,
            verdict=judgement.verdict,
            reasons=list(judgement.reasons),
            budget=self.plan.budget,
            clock=self.clock,
            environment=this_machine(),
            phases=list(self.phases),
            faults=list(self.faults),
            load=self.load,
            tiers=tiers,
            source_loss=causes,
            recovery=list(self.recovery),
            proxy_tax=self.proxy_tax,
            offload=list(self.offload),
        )
