"""The time series of a run that has ended, from its recorder and its account."""

from __future__ import annotations

import time

import msgspec

from chaosp7.account.classes import MessageClass, TierAccount
from chaosp7.account.ranges import locate
from chaosp7.recorder.recorder import Recorder
from chaosp7.run.accounting import Accounts
from chaosp7.run.evidence import Evidence
from chaosp7.run.series import FoundRange, Series, series_of

__all__ = ["series_of_run"]

_RANGES_NAMED = 20

#: Lost ranges are in the evidence.
_KINDS = (MessageClass.LATE, MessageClass.CORRUPTED, MessageClass.DUPLICATED, MessageClass.REORDERED)


def series_of_run(recorder: Recorder, accounts: Accounts | None, evidence: Evidence) -> Series:
    """Return a run's series.

    Args:
        recorder: stopped.
        accounts: the account; only a final one counts, which is one that the evidence holds.
        evidence: of the run.

    Raises:
        LedgerError: if the ledger is damaged.
    """
    recorder.source.poll()
    final = accounts if evidence.tiers else None
    start_ns = recorder.source.start_ns
    series = series_of(
        {name: list(timeline.samples) for name, timeline in recorder.timelines.items()},
        recorder.source.sends,
        {name: final.lost(name) for name in recorder.timelines} if final else {},
        start_ns,
        evidence.load.end_ns if evidence.load else time.monotonic_ns(),
        recorder.tolerances_ns,
    )
    if final is None:
        return series
    found: list[FoundRange] = []
    left_out = 0
    for name, account in final.tiers.items():
        if not isinstance(account, TierAccount):
            continue
        for kind in _KINDS:
            located, more = locate(final.run, account.sequences(kind), _RANGES_NAMED)
            left_out += more
            found += [
                FoundRange(
                    kind=kind,
                    tier=name,
                    feed=str(r.feed),
                    first=r.range.first,
                    last=r.range.last,
                    sent_first_s=(r.sent_first_ns - start_ns) / 1e9,
                    sent_last_s=(r.sent_last_ns - start_ns) / 1e9,
                )
                for r in located
            ]
    return msgspec.structs.replace(series, ranges=found, ranges_left_out=left_out)
