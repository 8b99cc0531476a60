"""Every loss has one tier and one cause, those that a naive walk down the tiers gives it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.acks import AckSets
from chaosp7.account.attribution import Attribution, TierLoss, attribute, unjournaled
from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.sent import Bounds
from chaosp7.account.sets import Sets
from chaosp7.errors import MeasurementError

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
BTC, KRAKEN = FEEDS
FIRST, SIZE = 100, 8
TIERS = ("topic", "raw", "bronze", "silver")
CAUSES = ("missed_at_source", "unacknowledged", "acknowledged", "unattributed")

Message = tuple[Feed, int]
MESSAGES: tuple[Message, ...] = tuple((feed, FIRST + i) for feed in FEEDS for i in range(SIZE))

some = st.sets(st.sampled_from(MESSAGES))


def sets_of(messages: Iterable[Message]) -> dict[Feed, BitMap64]:
    result: dict[Feed, BitMap64] = {}
    for feed, sequence in messages:
        result.setdefault(feed, BitMap64()).add(sequence)
    return result


def messages_of(sets: Sets) -> set[Message]:
    return {(feed, sequence) for feed, found in sets.items() for sequence in found}


def account(tier: str, lost: Iterable[Message] = (), *, late: Iterable[Message] = (), size: int = SIZE) -> TierAccount:  # fmt: skip
    bounds = {feed: Bounds(FIRST, FIRST + size - 1, FIRST + size - 1) for feed in FEEDS}
    return TierAccount(tier, bounds, sets_of(lost), sets_of(late), {}, {}, {}, {}, 0, {})


def journal(received: Iterable[int] = (), acknowledged: Iterable[int] = (), refused: Iterable[int] = ()) -> AckSets:  # fmt: skip
    return AckSets(BitMap64(received), BitMap64(acknowledged), BitMap64(refused))


def cause_of(loss: TierLoss, message: Message) -> str:
    """Return the one cause of a message in `lost_here`."""
    (cause,) = [c for c in CAUSES if message in messages_of(getattr(loss, c))]
    return cause


@settings(max_examples=150, deadline=None)
@given(
    lost=st.lists(some, min_size=1, max_size=4),
    received=some,
    acknowledged=some,
    refused=some,
    unreached=some,
    journals_of=st.sets(st.sampled_from(FEEDS)),
)
def test_every_loss_is_attributed_as_a_naive_walk_down_the_tiers_attributes_it(
    lost: list[set[Message]],
    received: set[Message],
    acknowledged: set[Message],
    refused: set[Message],
    unreached: set[Message],
    journals_of: set[Feed],
) -> None:
    def of(messages: set[Message], feed: Feed) -> list[int]:
        return [sequence for f, sequence in messages if f == feed]

    acks = {f: journal(of(received, f), of(acknowledged, f), of(refused, f)) for f in journals_of}
    accounts = [account(tier, missing) for tier, missing in zip(TIERS, lost, strict=False)]
    result = attribute(accounts, acks, sets_of(unreached))
    causes = dict.fromkeys(CAUSES, 0)
    for message in MESSAGES:
        tiers = [i for i, missing in enumerate(lost) if message in missing]
        assert result.first_missing_at(*message) == (TIERS[tiers[0]] if tiers else None)
        for i, loss in enumerate(result.tiers):
            first = tiers[:1] == [i]
            inherited = i in tiers and not first
            assert (message in messages_of(loss.lost_here)) == first
            assert (message in messages_of(loss.inherited)) == inherited
            assert (message in messages_of(loss.lost_again)) == (inherited and message not in lost[i - 1])
            if not first:
                assert not any(message in messages_of(getattr(loss, c)) for c in CAUSES)
                continue
            shown_somewhere = len(tiers) < len(lost)
            wanted = (
                "acknowledged" if shown_somewhere
                else "unattributed" if message[0] not in journals_of
                else "acknowledged" if message in acknowledged
                else "unacknowledged" if message in received | refused
                else "missed_at_source"
            )  # fmt: skip
            assert cause_of(loss, message) == wanted
            causes[wanted] += 1
            assert (message in messages_of(loss.refused)) == (
                wanted == "unacknowledged" and message in refused
            )
            assert (message in messages_of(loss.unreached)) == (
                wanted == "missed_at_source" and message in unreached
            )
    assert result.counts() == causes
    assert sum(causes.values()) == len(set().union(*lost))


def attributed(
    *lost: Iterable[int], acks: Mapping[Feed, AckSets] | None = None, unreached: Iterable[int] = ()
) -> Attribution:
    """Attribute what the tiers have lost of the first feed."""
    accounts = [
        account(tier, [(BTC, s) for s in missing]) for tier, missing in zip(TIERS, lost, strict=False)
    ]
    return attribute(accounts, acks, {BTC: BitMap64(unreached)})


def test_a_message_missing_at_raw_isnt_blamed_on_bronze() -> None:
    topic, raw, bronze, silver = attributed([], [103], [103], [103]).tiers
    assert messages_of(raw.lost_here) == {(BTC, 103)}
    assert [messages_of(t.lost_here) for t in (topic, bronze, silver)] == [set()] * 3
    assert [messages_of(t.inherited) for t in (bronze, silver)] == [{(BTC, 103)}] * 2


def test_a_tier_behind_is_blamed_for_what_it_lost_itself_beside_what_it_inherited() -> None:
    _, raw, bronze, _ = attributed([], [103], [103, 104], [103, 104]).tiers
    assert (messages_of(raw.lost_here), messages_of(bronze.lost_here)) == ({(BTC, 103)}, {(BTC, 104)})


def test_a_message_that_came_back_and_was_lost_again_is_blamed_once_and_told() -> None:
    result = attributed([103], [], [103], acks={})
    assert [messages_of(t.lost_here) for t in result.tiers] == [{(BTC, 103)}, set(), set()]
    assert messages_of(result.tiers[2].lost_again) == {(BTC, 103)}
    assert sum(result.counts().values()) == 1


def test_what_raw_shows_was_acknowledged_though_the_topic_lost_it_and_no_journal_says_so() -> None:
    result = attributed([103], [], acks={BTC: journal()})
    assert cause_of(result.tiers[0], (BTC, 103)) == "acknowledged"
    assert cause_of(attributed([103], []).tiers[0], (BTC, 103)) == "acknowledged"


def test_what_no_handler_received_is_missed_at_source() -> None:
    loss = attributed([103, 104], acks={BTC: journal(received=[105])}, unreached=[103, 105]).tiers[0]
    assert messages_of(loss.missed_at_source) == {(BTC, 103), (BTC, 104)}
    assert messages_of(loss.unreached) == {(BTC, 103)}


def test_a_confirmed_message_is_acknowledged_though_it_was_refused_and_never_received() -> None:
    loss = attributed([103], acks={BTC: journal([], [103], [103])}, unreached=[103]).tiers[0]
    assert cause_of(loss, (BTC, 103)) == "acknowledged"


def test_a_refused_message_was_had_even_if_its_receipt_is_not_in_the_journal() -> None:
    loss = attributed([103], acks={BTC: journal(refused=[103])}).tiers[0]
    assert cause_of(loss, (BTC, 103)) == "unacknowledged"


@pytest.mark.parametrize("acks", [None, {}, {KRAKEN: journal()}])
def test_without_a_journal_of_its_feed_a_loss_is_unattributed_and_never_missed_at_source(
    acks: dict[Feed, AckSets] | None,
) -> None:
    loss = attributed([103], acks=acks, unreached=[103]).tiers[0]
    assert cause_of(loss, (BTC, 103)) == "unattributed"


def test_a_tier_behind_the_first_loses_only_what_was_acknowledged() -> None:
    loss = attributed([], [103], acks={BTC: journal()}).tiers[1]
    assert cause_of(loss, (BTC, 103)) == "acknowledged"


def test_a_late_message_is_no_loss_of_that_tier() -> None:
    result = attribute([account("topic", late=[(BTC, 103)]), account("raw", [(BTC, 103)])], {BTC: journal()})
    assert result.first_missing_at(BTC, 103) == "raw"


def test_nothing_lost_has_no_cause() -> None:
    assert attributed([], [], acks={BTC: journal()}).counts() == dict.fromkeys(CAUSES, 0)
    assert attributed([]).first_missing_at(Feed("nobody", "BTC/USDT"), 103) is None


def test_no_tier_is_an_error_and_not_nothing_lost() -> None:
    with pytest.raises(MeasurementError, match="no tier"):
        attribute([])


def test_tiers_that_account_for_different_messages_are_not_compared() -> None:
    with pytest.raises(MeasurementError, match="different messages"):
        attribute([account("topic"), account("raw"), account("bronze", size=SIZE - 1)])


def test_without_word_of_who_was_connected_a_missed_message_is_not_called_unreached() -> None:
    journals = {feed: journal() for feed in FEEDS}
    (loss,) = attribute([account("topic", [(BTC, 101)])], journals).tiers
    assert messages_of(loss.missed_at_source) == {(BTC, 101)}
    assert not loss.unreached


def test_what_a_tier_shows_as_it_was_sent_must_have_been_received() -> None:
    topic, raw = (
        account("topic", [(BTC, 103)]),
        account("raw", [(BTC, s) for s in range(FIRST, FIRST + SIZE)]),
    )
    everything_but_last = range(FIRST, FIRST + SIZE - 1)
    lacking = unjournaled([raw, topic], {BTC: journal(received=everything_but_last)})
    assert messages_of(lacking) == {(BTC, FIRST + SIZE - 1)}
    assert unjournaled([raw, topic], {BTC: journal(received=[*everything_but_last, FIRST + SIZE - 1])}) == {}


def test_what_is_lost_corrupted_or_of_a_feed_without_a_journal_may_be_unjournaled() -> None:
    lost = account("topic", [(BTC, s) for s in range(FIRST, FIRST + SIZE) if s != 104])
    assert unjournaled([replace(lost, corrupted=sets_of([(BTC, 104)]))], {BTC: journal()}) == {}
    assert unjournaled([lost], {KRAKEN: journal(received=range(FIRST, FIRST + SIZE))}) == {}


@pytest.mark.parametrize("kind", ["duplicated", "reordered"])
def test_doubled_and_reordered_messages_must_have_been_received_too(kind: str) -> None:
    lost = account("topic", [(BTC, s) for s in range(FIRST, FIRST + SIZE) if s != 104])
    found = unjournaled([replace(lost, **{kind: sets_of([(BTC, 104)])})], {BTC: journal(acknowledged=[104])})
    assert messages_of(found) == {(BTC, 104)}
