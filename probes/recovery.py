"""How long did the tiers take to be fresh again?"""

import logging
from collections.abc import Sequence

from chaoslib.exceptions import ActivityFailed

from chaosp7.account.classes import TierAccount
from chaosp7.account.sets import total
from chaosp7.errors import ChaosP7Error, ConfigError, MeasurementError
from chaosp7.run.current import current_run
from chaosp7.run.evidence import RecoveryReport
from chaosp7.run.in_time import in_time
from chaosp7.run.run import Run
from chaosp7.run.unseen import unseen_for_long

__all__ = ["exchanges_unaffected", "recovered_within", "tiers_unaffected"]


logger = logging.getLogger("chaostoolkit")


def recovered_within(budget_s: float) -> bool:
    """Return whether every tier was fresh again within a budget, its uncertainty included.

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
    """Return whether no fault touched some exchanges: none went stale or lost anything, at any tier.

    Before the method there is nothing that could have touched them: that is True.

    Args:
        exchanges: names of exchanges.

    Raises:
        ActivityFailed: if one isn't the platform's, or it can't be measured.
    """
    try:
        run = current_run()
        for exchange in exchanges:
            if exchange not in run.model.feeds:
                known = ", ".join(run.model.feeds)
                raise ConfigError(f"unknown exchange {exchange!r}; there are: {known}")
        if not run.finished:
            return True
        accounts = run.accounts()
        recovery = run.recovery_of(exchanges)
        stale = _stale(recovery)
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    lost = [
        f"{len(missing):,} of {feed} lost at {name}"
        for name, account in accounts.tiers.items()
        if isinstance(account, TierAccount)
        for feed, missing in account.lost.items()
        if feed.exchange in exchanges
    ]
    for found in (*stale, *lost):
        logger.warning("%s: %s", ", ".join(exchanges), found)
    return _measured(run) and not stale and not lost


def tiers_unaffected(tiers: Sequence[str]) -> bool:
    """Return whether no fault touched some tiers: none of them went stale or lost anything.

    Before the method there is nothing that could have touched them: that is True.

    Args:
        tiers: names of tiers.

    Raises:
        ActivityFailed: if one isn't the platform's, or it can't be measured.
    """
    try:
        run = current_run()
        for name in tiers:
            run.model.tier(name)
        if not run.finished:
            return True
        accounts = run.accounts()
        recovery = [report for report in run.recovery if report.tier in tiers]
        stale = _stale(recovery)
        lost = [f"{total(found):,} lost at {name}" for name in tiers if (found := accounts.lost(name))]
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    for found_ in (*stale, *lost):
        logger.warning("%s", found_)
    return _measured(run) and not stale and not lost


def _stale(recovery: Sequence[RecoveryReport]) -> list[str]:
    """Return which tiers went stale, in words.

    Raises:
        MeasurementError: if none was seen to, but one may have been.
    """
    stale = [f"{report.tier} {report.outcome}" for report in recovery if report.outcome != "never-stale"]
    if not stale and (doubts := unseen_for_long(recovery)):
        raise MeasurementError(f"not known whether they were unaffected: {'; '.join(doubts)}")
    return stale


def _measured(run: Run) -> bool:
    return bool(run.faults) and all(fault.verified_start_ns is not None for fault in run.faults)
