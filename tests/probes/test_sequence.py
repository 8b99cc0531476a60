"""What was late was missing when the drain was over, as a budget's ``lost`` has it; each is told by name."""

from types import SimpleNamespace

import pytest

from chaosp7.account.gold import GoldAccount, WindowAccount
from chaosp7.measure.count import Count
from chaosp7.run.accounting import Accounts
from chaosp7.run.evidence import ClockAnchor
from probes import sequence
from tests.measure.test_losses import FEEDS, MESSAGES, accounts

BTC, KRAKEN = FEEDS
NEVER_RECEIVED = {(BTC, 5)}
LATE = {(KRAKEN, 1), (BTC, 2)}


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """A run in which one message wasn't received, raw lost another, and two were late at every tier."""
    had = set(MESSAGES) - NEVER_RECEIVED
    at_raw = NEVER_RECEIVED | {(KRAKEN, 7)}
    made = accounts([NEVER_RECEIVED, at_raw, at_raw], had, had, LATE)
    run = SimpleNamespace(
        accounts=lambda: made,
        clock=ClockAnchor(monotonic_ns=0, wall_ns=0),
        model=SimpleNamespace(tier=made.tiers.__getitem__),
    )
    monkeypatch.setattr(sequence, "current_run", lambda: run)
    return made


def test_lost_are_those_that_were_late_too() -> None:
    assert (sequence.lost_messages("topic"), sequence.lost_messages("raw"), sequence.lost_messages()) == (
        3,
        4,
        4,
    )


def test_both_kinds_are_told_by_name() -> None:
    lost = sequence.lost_messages()
    assert isinstance(lost, Count)
    assert "2 of 24 lost at raw:" in lost.why
    assert "2 of 24 late at raw:" in lost.why
    corrupted = sequence.corrupted_messages("raw")
    assert isinstance(corrupted, Count)
    assert corrupted.why == "0 of 24 corrupted at raw"


def test_what_no_handler_had_is_excused_and_what_was_late_is_not() -> None:
    assert sequence.lost_acknowledged_messages("topic") == 2
    assert sequence.lost_acknowledged_messages() == 3


def test_what_the_source_lost_in_open_candles_takes_nothing_from_what_closed_ones_lost(
    made: Accounts,
) -> None:
    window = WindowAccount(
        window_s=60, sent=24, delivered=1, lost=1, lost_inherited=0, duplicated=0, duplicated_inherited=0,
        corrupted=0, corrupted_inherited=0, unchecked=22, unexpected=0, surplus=0, earlier_missing=0,
        earlier_changed=0, wrong_candles=1, findings=(),
    )  # fmt: skip
    made.tiers["gold"] = GoldAccount("gold", (window,))
    # Two are lost before it, one of them by the source, and one here.
    assert sequence.lost_acknowledged_messages("gold") == 2
