"""Unaffected is only what nothing is wrong with, at any tier, and what somebody has looked at."""

from types import SimpleNamespace
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from msgspec.structs import replace
from pyroaring import BitMap64

from chaosp7.account.candles import Candle, CandleKey
from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.gold import CandleFinding, GoldAccount, WindowAccount
from chaosp7.account.sets import Sets
from chaosp7.run.accounting import Accounts
from chaosp7.run.evidence import FaultRecord, RecoveryReport
from probes import recovery
from tests.measure.test_losses import FEEDS, accounts
from tests.run.test_unseen import report

BINANCE, KRAKEN = FEEDS
NOBODY = Feed("", "BTC/USD")
SOME: Sets = {KRAKEN: BitMap64([3, 4])}
NONE: dict[str, int] = dict.fromkeys(
    ("lost", "lost_inherited", "duplicated", "duplicated_inherited", "corrupted", "corrupted_inherited",
     "unchecked", "unexpected", "surplus", "earlier_missing", "earlier_changed"), 0
)  # fmt: skip
CANDLE = Candle(1, 1, 1, 1, 1, 1, 1)


def window(*findings: CandleKey, more: int = 0, **counts: int) -> WindowAccount:
    named = tuple(CandleFinding(key, CANDLE, None) for key in findings)
    return WindowAccount(
        window_s=60,
        sent=24,
        delivered=24,
        wrong_candles=len(named) + more,
        findings=named,
        **NONE | counts,
    )


class Finished:
    """A run after a fault that was seen, in which nothing went stale or wrong."""

    def __init__(self) -> None:
        fault = FaultRecord(
            kind="kill", target="feed-handler-binance", verified_start_ns=2, verified_end_ns=4
        )
        self.faults = [fault]
        self.finished = True
        self._accounts = accounts([set(), set(), set()], set(), set(), set())
        self._accounts.tiers["gold"] = GoldAccount("gold", (window(), window()))
        self.recovery = [report(tier, 0.0) for tier in self._accounts.tiers]
        self.model = SimpleNamespace(
            feeds={"binance": [], "kraken": []}, tier=self._accounts.tiers.__getitem__
        )

    def accounts(self) -> Accounts:
        return self._accounts

    def recovery_of(self, exchanges: object) -> list[RecoveryReport]:
        assert exchanges == ["kraken"]
        return self.recovery

    def shows(self, tier: str, **sets: Sets) -> None:
        empty: dict[str, Any] = {"lost": {}, "late": {}, "corrupted": {}, "duplicated": {}, "reordered": {}}
        account = self._accounts.tiers["topic"]
        assert isinstance(account, TierAccount)
        self._accounts.tiers[tier] = TierAccount(
            tier,
            account.bounds,
            **empty | {"unexpected": {}, "unexpected_rows": 0, "surplus_rows": {}} | sets,
        )

    def shows_candles(self, *windows: WindowAccount) -> None:
        self._accounts.tiers["gold"] = GoldAccount("gold", windows)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Finished:
    found = Finished()
    monkeypatch.setattr(recovery, "current_run", lambda: found)
    return found


def test_what_nothing_is_wrong_with_is_unaffected(run: Finished) -> None:
    assert recovery.exchanges_unaffected(["kraken"])
    assert recovery.tiers_unaffected(["topic", "gold"])
    run.faults.clear()
    run.recovery.clear()
    assert not recovery.exchanges_unaffected(["kraken"])
    assert not recovery.tiers_unaffected(["topic"])


@pytest.mark.parametrize("kind", ["lost", "late", "corrupted", "duplicated", "reordered", "unexpected"])
def test_messages_of_any_class_but_delivered_are_a_touch_of_their_exchange_and_tier(
    run: Finished, kind: str
) -> None:
    other = {BINANCE: BitMap64([5])}
    run.shows("topic", **{kind: other}, **({"unexpected_rows": 1} if kind == "unexpected" else {}))
    assert recovery.exchanges_unaffected(["kraken"])
    assert not recovery.tiers_unaffected(["topic"])
    assert recovery.tiers_unaffected(["raw"])
    run.shows("topic", **{kind: SOME})
    assert not recovery.exchanges_unaffected(["kraken"])


@pytest.mark.parametrize("counts", [{"lost": 3}, {"lost": 3, "lost_inherited": 3}, {"earlier_changed": 1}])
def test_a_wrong_candle_is_a_touch_of_its_exchange_whatever_made_it_wrong(
    run: Finished, counts: dict[str, int]
) -> None:
    run.shows_candles(window(), window(CandleKey(BINANCE, 60), **counts))
    assert recovery.exchanges_unaffected(["kraken"])
    assert not recovery.tiers_unaffected(["gold"])
    run.shows_candles(window(), window(CandleKey(BINANCE, 60), CandleKey(KRAKEN, 60), **counts))
    assert not recovery.exchanges_unaffected(["kraken"])


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"more": 1}, "more wrong candles of 60 s at gold than have names: 1"),
        ({"late": 7}, "7 late in the candles"),
    ],
)
def test_candles_of_nobody_knows_whom_are_guessed_at_by_nobody(
    run: Finished, counts: dict[str, int], words: str
) -> None:
    run.shows_candles(window(), window(CandleKey(BINANCE, 60), **counts))
    with pytest.raises(ActivityFailed, match=f"not known whether kraken were unaffected: {words}"):
        recovery.exchanges_unaffected(["kraken"])
    assert not recovery.tiers_unaffected(["gold"])
    run.shows("silver", lost=SOME)
    assert not recovery.exchanges_unaffected(["kraken"])


@pytest.mark.parametrize(
    "rows",
    [
        {"unidentified_rows": 3, "unexpected_rows": 3},
        {"unexpected": {NOBODY: SOME[KRAKEN]}, "unexpected_rows": 3},
    ],
    ids=["not decodable", "without a name"],
)
def test_rows_of_nobody_knows_whom_are_guessed_at_by_nobody(run: Finished, rows: dict[str, Any]) -> None:
    run.shows("silver", **rows)
    count = rows.get("unidentified_rows", len(SOME[KRAKEN]))
    words = f"{count} unexpected at silver of nobody knows which exchange"
    with pytest.raises(ActivityFailed, match=f"not known whether kraken were unaffected: {words}"):
        recovery.exchanges_unaffected(["kraken"])
    assert not recovery.tiers_unaffected(["silver"])


@pytest.mark.usefixtures("run")
def test_to_name_nobody_is_a_mistake() -> None:
    for unaffected in (recovery.exchanges_unaffected, recovery.tiers_unaffected):
        with pytest.raises(ActivityFailed, match="is named"):
            unaffected([])


def test_late_candles_are_a_touch_of_their_tier(run: Finished) -> None:
    run.shows_candles(window(late=7))
    assert not recovery.tiers_unaffected(["gold"])


@pytest.mark.parametrize("missing", ["report", "measurement"])
def test_a_tier_whose_recovery_nobody_measured_is_not_unaffected(run: Finished, missing: str) -> None:
    index = [one.tier for one in run.recovery].index("silver")
    if missing == "report":
        del run.recovery[index]
    else:
        run.recovery[index] = replace(run.recovery[index], outcome="not-measured")
    words = "silver: recovery from kill feed-handler-binance wasn't measured"
    with pytest.raises(ActivityFailed, match=words):
        recovery.exchanges_unaffected(["kraken"])
    with pytest.raises(ActivityFailed, match=words):
        recovery.tiers_unaffected(["topic", "silver"])
    assert recovery.tiers_unaffected(["topic"])


def test_of_two_faults_each_is_measured(run: Finished) -> None:
    run.faults.append(replace(run.faults[0], kind="pause"))
    with pytest.raises(ActivityFailed, match="recovery from pause feed-handler-binance"):
        recovery.tiers_unaffected(["topic"])


def test_who_went_stale_was_affected_and_who_may_have_been_is_not_known(run: Finished) -> None:
    run.recovery[0] = replace(run.recovery[0], unproven_s=0.7)
    with pytest.raises(ActivityFailed, match="topic may have been stale"):
        recovery.tiers_unaffected(["topic"])
    run.recovery[1] = replace(run.recovery[1], outcome="recovered")
    assert not recovery.exchanges_unaffected(["kraken"])
