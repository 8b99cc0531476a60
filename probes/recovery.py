"""How long did the tiers take to be fresh again?"""

import logging
from collections.abc import Sequence

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error, ConfigError, MeasurementError
from chaosp7.measure.touched import nameless, wrong_at, wrong_of
from chaosp7.run.current import current_run
from chaosp7.run.evidence import RecoveryReport
from chaosp7.run.in_time import in_time
from chaosp7.run.run import Run
from chaosp7.run.unmeasured import unmeasured
from chaosp7.run.unseen import unseen_for_long

__all__ = ["exchanges_unaffected", "recovered_within", "tiers_unaffected"]


logger = logging.getLogger("chaostoolkit")


def recovered_within(budget_s: float) -> bool:
    """Return whether every tier is known to have been fresh again within a budget.

    Before a fault there is nothing to recover from: that is True.

    Args:
        budget_s: seconds from the fault's verified start.

    Raises:
        ActivityFailed: if no run is there.
    """
    try:
        run = current_run()
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    if not run.finished:
        return True
    return all(in_time(report, budget_s) for report in run.recovery) and (
        bool(run.recovery) or not run.plan.faults_expected
    )


def exchanges_unaffected(exchanges: Sequence[str]) -> bool:
    """Return whether no fault touched some exchanges: no feed of theirs went stale, and nothing is wrong.

    At no tier is any message of theirs lost, late, corrupted, duplicated or reordered, or there without
    having been sent, and every candle of theirs is right, whatever made it wrong.

    Before the method there is nothing that could have touched them: that is True.

    Args:
        exchanges: names of exchanges.

    Raises:
        ActivityFailed: if none is named, one isn't the platform's, or it can't be measured: a tier's recovery
            wasn't, or messages or candles are wrong of which nobody knows the exchange.
    """
    try:
        run = current_run()
        if not exchanges:
            raise ConfigError("no exchange is named: that none of them was touched says nothing")
        for exchange in exchanges:
            if exchange not in run.model.feeds:
                known = ", ".join(run.model.feeds)
                raise ConfigError(f"unknown exchange {exchange!r}; there are: {known}")
        if not run.finished:
            return True
        accounts = run.accounts()
        recovery = run.recovery_of(exchanges)
        wrong = wrong_of(accounts, exchanges)
        return _untouched(run, exchanges, list(accounts.tiers), recovery, wrong, nameless(accounts))
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error


def tiers_unaffected(tiers: Sequence[str]) -> bool:
    """Return whether no fault touched some tiers: none of them went stale, and nothing is wrong there.

    No message is lost there (here or at a tier before), late, corrupted, duplicated or reordered, or there
    without having been sent, and every candle is right.

    Before the method there is nothing that could have touched them: that is True.

    Args:
        tiers: names of tiers.

    Raises:
        ActivityFailed: if none is named, one isn't the platform's, or it can't be measured: its recovery
            wasn't, say.
    """
    try:
        run = current_run()
        if not tiers:
            raise ConfigError("no tier is named: that none of them was touched says nothing")
        for name in tiers:
            run.model.tier(name)
        if not run.finished:
            return True
        accounts = run.accounts()
        wrong = [words for name in tiers for words in wrong_at(accounts, name)]
        recovery = [report for report in run.recovery if report.tier in tiers]
        return _untouched(run, tiers, tiers, recovery, wrong, [])
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error


def _untouched(
    run: Run,
    who: Sequence[str],
    tiers: Sequence[str],
    recovery: Sequence[RecoveryReport],
    wrong: Sequence[str],
    doubts: Sequence[str],
) -> bool:
    """Return whether every fault was seen to take effect, and nothing went stale or wrong.

    Args:
        run: it has finished.
        who: exchanges or tiers.
        tiers: where their recovery must have been measured.
        recovery: theirs.
        wrong: what is, in words.
        doubts: what may be wrong beside a recovery that wasn't measured, in words.

    Raises:
        MeasurementError: if nothing is known to have been touched, but something may have been.
    """
    stale = [
        f"{report.tier} {report.outcome}"
        for report in recovery
        if report.outcome not in ("never-stale", "not-measured")
    ]
    for words in (*stale, *wrong):
        logger.warning("%s: %s", ", ".join(who), words)
    if stale or wrong:
        return False
    missing = [
        f"{tier}: recovery from {fault.kind} {fault.target} wasn't measured"
        for fault, tier in unmeasured(run.faults, recovery, tiers)
    ]
    if unknown := [*unseen_for_long(recovery), *missing, *doubts]:
        raise MeasurementError(f"not known whether {', '.join(who)} were unaffected: {'; '.join(unknown)}")
    return bool(run.faults) and all(fault.verified_start_ns is not None for fault in run.faults)
