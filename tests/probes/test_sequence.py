"""What was late was missing when the drain was over, as a budget's ``lost`` has it; each is told by name."""

from types import SimpleNamespace

import pytest

from chaosp7.measure.count import Count
from chaosp7.run.evidence import ClockAnchor
from probes import sequence
from tests.measure.test_losses import FEEDS, MESSAGES, accounts

BTC, KRAKEN = FEEDS
NEVER_RECEIVED = {(BTC, 5)}
LATE = {(KRAKEN, 1), (BTC, 2)}


@pytest.fixture(autouse=True)
def _run(monkeypatch: pytest.MonkeyPatch) -> None:
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
