"""The classes part the sent messages: each is in one, the gravest that fits."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.account import account_tier
from chaosp7.account.classes import MessageClass, TierAccount, with_late
from chaosp7.account.digest import ChunkKey
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.rows import Rows
from chaosp7.account.sent import Bounds, RunRecords, expected, record_checksums
from chaosp7.errors import MeasurementError

BTC, ETH, SILENT, STRANGER = (Feed("binance", f"{name}/USDT") for name in ("BTC", "ETH", "SOL", "DOGE"))
BOUNDS = {BTC: Bounds(100, 105, 105), ETH: Bounds(0, 5, 9), SILENT: Bounds(7, 6, 6)}
MESSAGES = tuple((feed, s) for feed, bounds in BOUNDS.items() for s in range(bounds.first, bounds.last + 1))

Message = tuple[Feed, int]
Classes = dict[Message, MessageClass]

classes_of_all = st.lists(st.sampled_from(MessageClass), min_size=len(MESSAGES), max_size=len(MESSAGES)).map(
    lambda kinds: dict(zip(MESSAGES, kinds, strict=True))
)


def sets_of(messages: Iterable[Message]) -> dict[Feed, BitMap64]:
    result: dict[Feed, BitMap64] = {}
    for feed, sequence in messages:
        result.setdefault(feed, BitMap64()).add(sequence)
    return result


def account_of(
    classes: Classes, unexpected: dict[Feed, BitMap64] | None = None, rows: int = 0, **surplus: int
) -> TierAccount:
    sets = {
        kind.value: sets_of(m for m, k in classes.items() if k is kind)
        for kind in MessageClass
        if kind is not MessageClass.DELIVERED
    }
    surplus_rows = {BTC: surplus["btc"]} if surplus else {}
    return TierAccount("raw", BOUNDS, **sets, unexpected=unexpected or {}, unexpected_rows=rows, surplus_rows=surplus_rows)  # fmt: skip


def classes_in(account: TierAccount) -> Classes:
    return {message: account.class_of(*message) for message in MESSAGES}


@settings(max_examples=150, deadline=None)
@given(classes=classes_of_all)
def test_the_classes_part_what_was_sent(classes: Classes) -> None:
    account = account_of(classes)
    assert account.unidentified_rows == 0
    assert classes_in(account) == classes
    for kind in MessageClass:
        found = {(feed, s) for feed, sequences in account.sequences(kind).items() for s in sequences}
        assert found == {m for m, k in classes.items() if k is kind}
    for feed in (None, *BOUNDS):
        counts = account.counts if feed is None else account.counts_of(feed)
        wanted = Counter(kind for message, kind in classes.items() if feed in (None, message[0]))
        assert {kind: getattr(counts, kind) for kind in MessageClass} == {k: wanted[k] for k in MessageClass}
        assert sum(getattr(counts, kind) for kind in MessageClass) == counts.sent
        assert counts.sent == sum(wanted.values())
        assert counts.clean == (counts.sent == wanted[MessageClass.DELIVERED])


@settings(max_examples=200, deadline=None)
@given(
    classes=classes_of_all,
    missing=st.sets(st.sampled_from([*MESSAGES, (BTC, 99), (BTC, 106), (SILENT, 7), (STRANGER, 3)])),
)
def test_what_was_missing_at_the_deadline_and_is_there_now_is_late_whatever_else_it_is(
    classes: Classes, missing: set[Message]
) -> None:
    account = with_late(account_of(classes), sets_of(missing))
    assert classes_in(account) == {
        message: MessageClass.LATE if message in missing and kind is not MessageClass.LOST else kind
        for message, kind in classes.items()
    }
    assert account.counts.sent == len(MESSAGES)


def test_a_message_still_missing_after_the_deadline_is_lost_and_not_late() -> None:
    classes = dict.fromkeys(MESSAGES, MessageClass.DELIVERED) | {(BTC, 101): MessageClass.LOST}
    counts = with_late(account_of(classes), sets_of([(BTC, 101), (BTC, 102)])).counts
    assert (counts.lost, counts.late) == (1, 1)


def test_a_message_that_vanished_after_the_deadline_is_lost() -> None:
    classes = dict.fromkeys(MESSAGES, MessageClass.DELIVERED) | {(BTC, 101): MessageClass.LOST}
    assert with_late(account_of(classes), {}).class_of(BTC, 101) is MessageClass.LOST


def test_late_changes_neither_what_was_never_sent_nor_the_rows_too_many() -> None:
    classes = dict.fromkeys(MESSAGES, MessageClass.DUPLICATED)
    before = account_of(classes, {STRANGER: BitMap64([1])}, 2, btc=9)
    after = with_late(before, sets_of(MESSAGES)).counts
    assert (after.late, after.duplicated, after.unexpected, after.surplus) == (len(MESSAGES), 0, 2, 9)


@pytest.mark.parametrize("kinds", [("lost", "late"), ("corrupted", "duplicated"), ("reordered", "lost")])
def test_a_message_in_two_classes_is_a_bug_that_is_told(kinds: tuple[str, str]) -> None:
    sets = {kind.value: sets_of([]) for kind in MessageClass if kind is not MessageClass.DELIVERED}
    sets |= {kind: sets_of([(BTC, 101)]) for kind in kinds}
    with pytest.raises(ValueError, match="two classes"):
        TierAccount("raw", BOUNDS, **sets, unexpected={}, unexpected_rows=0, surplus_rows={})


@pytest.mark.parametrize("message", [(BTC, 99), (BTC, 106), (ETH, 6), (SILENT, 7), (STRANGER, 100)])
def test_a_message_that_is_not_accounted_for_has_no_class(message: Message) -> None:
    with pytest.raises(ValueError, match="beyond"):
        account_of({message: MessageClass.LOST})
    with pytest.raises(KeyError):
        account_of({}).class_of(*message)


@pytest.mark.parametrize("beyond", [99, 106])
def test_a_message_that_is_not_accounted_for_is_not_hidden_by_one_that_is(beyond: int) -> None:
    with pytest.raises(ValueError, match="beyond"):
        account_of({(BTC, 101): MessageClass.LOST, (BTC, beyond): MessageClass.LOST})


def test_rows_too_many_are_those_of_the_feed_that_is_asked_for() -> None:
    account = account_of({}, btc=9)
    assert [account.counts_of(feed).surplus for feed in (BTC, ETH, STRANGER)] == [9, 0, 0]
    assert account.counts.surplus == 9


def test_what_was_never_sent_is_unclean_though_all_was_delivered() -> None:
    account = account_of({}, {STRANGER: BitMap64([1, 2])}, 5)
    counts = account.counts
    assert (counts.delivered, counts.unexpected, counts.clean) == (len(MESSAGES), 5, False)
    of_stranger = account.counts_of(STRANGER)
    assert (of_stranger.sent, of_stranger.unexpected, of_stranger.clean) == (0, 2, False)
    assert account.counts_of(BTC).clean


def account_rows(rows: Sequence[tuple[int, int]], *, reordered: Iterable[int] = (), first: int = 10) -> TierAccount:  # fmt: skip
    """Account for messages 10..14 at a tier with (sequence, 0 or damage) rows."""
    records = np.zeros(5, dtype=RECORD)
    records["sequence"] = np.arange(first, first + 5)
    run = RunRecords((BTC,), (first,), lambda: [records])
    sent = expected(run)
    right = dict(zip(records["sequence"].tolist(), record_checksums(records).tolist(), strict=True))
    sequences = np.array([s for s, _ in rows], dtype=np.uint64)
    checksums = np.array([right.get(s, 0) ^ damage for s, damage in rows], dtype=np.uint64)
    feeds = np.zeros(len(rows), dtype=np.intp)
    table = sent.table()
    table.add(feeds, sequences, checksums)

    def read(_keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        yield Rows(feeds, sequences, checksums)

    return account_tier("topic", run, sent, table, read, reordered={BTC: BitMap64(reordered)})


ALL_FIVE = [(s, 0) for s in range(10, 15)]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (ALL_FIVE, MessageClass.REORDERED),
        ([*ALL_FIVE, (12, 0)], MessageClass.DUPLICATED),
        ([*ALL_FIVE, (12, 7)], MessageClass.CORRUPTED),
        ([(s, 0) for s in (10, 11, 13, 14)], MessageClass.LOST),
    ],
)
def test_a_reordered_message_that_is_something_graver_too_is_that(
    rows: list[tuple[int, int]], wanted: MessageClass
) -> None:
    account = account_rows(rows, reordered=[12])
    assert account.class_of(BTC, 12) is wanted
    assert account.counts.delivered == 4


def test_two_copies_that_differ_are_corrupted_whichever_came_first() -> None:
    for rows in ([*ALL_FIVE, (12, 7)], [(12, 7), *ALL_FIVE]):
        counts = account_rows(rows).counts
        assert (counts.corrupted, counts.duplicated, counts.surplus, counts.lost) == (1, 0, 1, 0)


def test_what_the_order_tracker_saw_beyond_the_account_is_left_out() -> None:
    assert account_rows(ALL_FIVE, reordered=[9, 15]).counts.clean


@pytest.mark.parametrize("sequence", [15, 4096, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_never_sent_sequence_however_large_is_unexpected_and_hides_no_loss(sequence: int) -> None:
    counts = account_rows([*ALL_FIVE[1:], (sequence, 0)]).counts
    assert (counts.lost, counts.unexpected, counts.delivered) == (1, 1, 4)


@pytest.mark.parametrize("sequence", [0, 9])
def test_another_runs_row_below_the_first_is_nobodys_concern_and_hides_no_loss(sequence: int) -> None:
    counts = account_rows([*ALL_FIVE[1:], (sequence, 0), (sequence, 0)]).counts
    assert (counts.lost, counts.unexpected, counts.duplicated) == (1, 0, 0)


def test_the_table_of_another_run_gives_no_account() -> None:
    records = np.zeros(5, dtype=RECORD)
    records["sequence"] = np.arange(5)
    run = RunRecords((BTC,), (0,), lambda: [records])
    other = np.zeros(4, dtype=RECORD)
    other["sequence"] = np.arange(1, 5)
    table = expected(RunRecords((BTC,), (1,), lambda: [other])).table()
    with pytest.raises(MeasurementError, match="another run"):
        account_tier("raw", run, expected(run), table, lambda _keys: ())
