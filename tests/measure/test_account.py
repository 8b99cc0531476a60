"""The assertions of an account: they fail by name, and never pass for want of knowledge."""

import copy
import json
import pickle

import msgspec
import pytest

from benchmarks.synthetic_evidence import evidence
from chaosp7.errors import ConfigError, LedgerError, MeasurementError
from chaosp7.measure.account import Account
from chaosp7.measure.count import Count
from chaosp7.pytest_plugin import pytest_assertrepr_compare
from chaosp7.run import evidence as ev
from tests.measure.test_losses import FEEDS, MESSAGES, Messages, accounts

BTC, KRAKEN = FEEDS


def account(lost: list[Messages], received: Messages = frozenset(), late: Messages = frozenset(), **changed: object) -> Account:  # type: ignore[assignment]  # fmt: skip
    made = accounts(lost, set(received), set(received), set(late))
    reports = []
    for name, tier in made.tiers.items():
        counts = tier.counts
        fields = {kind: getattr(counts, kind) for kind in ("sent", "delivered", "lost", "duplicated", "reordered", "corrupted", "late", "unexpected")}  # fmt: skip
        reports.append(ev.TierReport(tier=name, lost_here=0, drained=True, **fields))
    base = evidence()
    fields = {"tiers": reports, "source_loss": made.attribution.counts(), **changed}
    return Account(msgspec.structs.replace(base, **fields), made)


LOST_AT_RAW = [set(), {(BTC, 3), (BTC, 4)}, {(BTC, 3), (BTC, 4)}]


def test_a_clean_account_passes_everything() -> None:
    clean = account([set(), set(), set()])
    assert (clean.sent, clean.lost, clean.late, clean.unexpected) == (24, 0, 0, 0)
    clean.assert_nothing_lost()
    clean.assert_delivered()
    clean.assert_no_acknowledged_loss()
    clean.assert_recovered_within(20)
    clean.assert_within_budget()


def test_a_loss_fails_at_its_tier_and_names_it() -> None:
    found = account(LOST_AT_RAW)
    found.assert_nothing_lost("topic")
    assert found.tiers["topic"].lost == 0
    assert (found.lost, found.tiers["raw"].lost) == (2, 2)
    with pytest.raises(
        AssertionError,
        match=r"^2 of 24 lost at raw: binance BTC/USDT 3-4, sent .* UTC, first missing at raw; acknowledged by the broker\n2 of 24 lost at silver: binance BTC/USDT 3-4, .*first missing at raw",
    ):
        found.assert_nothing_lost()
    for assertion in (found.assert_delivered, found.assert_no_acknowledged_loss):
        with pytest.raises(AssertionError, match="2 of 24 lost at raw"):
            assertion()


def test_a_plain_comparison_says_which_messages_under_pytest() -> None:
    lines = pytest_assertrepr_compare("==", account(LOST_AT_RAW).lost, 0)
    assert lines is not None
    assert lines[0] == "2 == 0"
    assert lines[1].startswith("2 of 24 lost at raw: binance BTC/USDT 3-4, sent ")
    assert pytest_assertrepr_compare("==", 2, 0) is None


def test_a_figure_stands_though_its_messages_can_not_be_told() -> None:
    def fail() -> str:
        raise LedgerError("truncated")

    assert pytest_assertrepr_compare("==", Count(3, fail), 0) == [
        "3 == 0",
        "which messages they are can't be told: truncated",
    ]


def test_a_figure_is_saved_and_copied_as_a_number() -> None:
    count = account(LOST_AT_RAW).lost
    assert json.dumps({"lost": count}) == '{"lost": 2}'
    assert type(copy.deepcopy(count)) is type(pickle.loads(pickle.dumps(count))) is int  # noqa: S301
    assert copy.deepcopy(count) == count == 2


def test_what_no_handler_received_is_a_loss_but_no_acknowledged_one() -> None:
    found = account([{(BTC, 5)}] * 3)
    found.assert_no_acknowledged_loss()
    with pytest.raises(AssertionError, match="received by no feed handler"):
        found.assert_nothing_lost()
    assert (found.missed_at_source, found.unacknowledged) == (1, 0)


def test_a_loss_beside_excused_ones_is_not_excused_by_their_number() -> None:
    found = account([{(BTC, 5), (BTC, 6)}, {(BTC, 7)}, {(BTC, 5)}])
    with pytest.raises(AssertionError, match=r"1 of 24 lost at raw: binance BTC/USDT 7, "):
        found.assert_no_acknowledged_loss()


def test_a_loss_without_a_journal_is_never_excused() -> None:
    with pytest.raises(AssertionError, match="not known whether the broker acknowledged"):
        account([{(KRAKEN, 5)}] * 3).assert_no_acknowledged_loss()


def test_a_late_message_is_not_lost_but_asserting_that_nothing_is_lost_tells_of_it() -> None:
    found = account([set(), set(), set()], set(MESSAGES), late={(KRAKEN, 1)})
    assert (found.lost, found.late) == (0, 1)
    for assertion in (found.assert_nothing_lost, found.assert_no_acknowledged_loss, found.assert_delivered):
        with pytest.raises(AssertionError, match="1 of 24 late at topic: kraken BTC/USD 1, sent"):
            assertion()


def test_a_recovery_counts_with_its_uncertainty() -> None:
    found = account([set(), set(), set()])
    slowest = max(report.recovery_s or 0.0 for report in found.evidence.recovery)
    found.assert_recovered_within(slowest + 0.05)
    for within_s in (slowest + 0.03, slowest - 0.03):
        with pytest.raises(MeasurementError, match="nobody can tell whether it was fresh again within"):
            found.assert_recovered_within(within_s)
    with pytest.raises(AssertionError, match="to be fresh again after restart redpanda"):
        found.assert_recovered_within(slowest - 0.05)


@pytest.mark.parametrize(
    ("changed", "budget_s"),
    [
        ({"outcome": "not-recovered", "recovery_s": None, "last_stale_s": 4.0}, 5),
        ({"outcome": "never-stale", "recovery_s": None, "uncertainty_s": 6.0, "unproven_s": 6.0}, 5),
        ({"outcome": "not-measured", "recovery_s": None}, 5),
    ],
)
def test_a_recovery_that_nobody_saw_is_neither_in_time_nor_late(
    changed: dict[str, object], budget_s: float
) -> None:
    first, *others = evidence().recovery
    reports = [msgspec.structs.replace(first, **changed), *others]
    with pytest.raises(MeasurementError, match="nobody can tell"):
        account([set(), set(), set()], recovery=reports).assert_recovered_within(budget_s)


def test_a_tier_that_was_stale_beyond_the_budget_and_not_seen_back_is_late() -> None:
    changed = {"outcome": "not-recovered", "recovery_s": None, "last_stale_s": 6.0}
    first, *others = evidence().recovery
    reports = [msgspec.structs.replace(first, **changed), *others]
    with pytest.raises(AssertionError, match=r"wasn't fresh again .* still stale 6.00 s later"):
        account([set(), set(), set()], recovery=reports).assert_recovered_within(5)


def test_a_recovery_that_is_missing_at_a_tier_is_not_in_time() -> None:
    reports = evidence().recovery[1:]
    with pytest.raises(MeasurementError, match="recovery from restart redpanda wasn't measured at topic"):
        account([set(), set(), set()], recovery=reports).assert_recovered_within(50)


def test_without_a_fault_nothing_has_recovered() -> None:
    with pytest.raises(MeasurementError, match="no fault"):
        account([set(), set(), set()], recovery=[]).assert_recovered_within(5)


def test_a_tier_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="unknown tier 'brass'"):
        account([set(), set(), set()]).assert_nothing_lost("brass")


def test_the_verdict_is_told_with_the_messages_behind_it() -> None:
    found = account(LOST_AT_RAW, verdict="deviated", reasons=["2 messages lost at raw (budget 0)"])
    with pytest.raises(
        AssertionError, match=r"^deviated: 2 messages lost at raw \(budget 0\)\n2 of 24 lost at raw"
    ):
        found.assert_within_budget()
