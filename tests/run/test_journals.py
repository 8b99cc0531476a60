"""What handlers say of a run: all that they wrote since its beginning, or an error."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap64

from chaosp7.account.acks import ACK_RECORD, AckWriter
from chaosp7.account.classes import TierAccount
from chaosp7.account.digest import DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.sent import Bounds, Expected
from chaosp7.errors import MeasurementError
from chaosp7.run.journals import Journals

BTC, ETH = FEEDS = (Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT"))
BOUNDS = {feed: Bounds(11, 20, 20) for feed in FEEDS}
SENT = Expected(FEEDS, BOUNDS, DigestTable(FEEDS, dict.fromkeys(FEEDS, 11)), {}, False, None)


def tier(lost: Iterable[int] = ()) -> TierAccount:
    """Return a tier that lacks the same messages of both feeds."""
    lost_of = {feed: BitMap64(lost) for feed in FEEDS} if lost else {}
    return TierAccount("topic", BOUNDS, lost_of, {}, {}, {}, {}, {}, 0, {})


def write(path: Path, sequences: Iterable[int]) -> None:
    """Journal messages of both feeds as received and confirmed."""
    writer = AckWriter(path, FEEDS)
    for sequence in sequences:
        for feed in range(len(FEEDS)):
            writer.received(feed, sequence)
            writer.acknowledged(feed, sequence)
    writer.close()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "binance.acks"
    write(path, range(1, 11))  # of an earlier run
    return path


def test_a_whole_journal_tells_what_was_received_and_confirmed(journal: Path) -> None:
    journals = Journals.of([journal])
    write(journal, range(11, 21))
    sets = journals.read(SENT, [tier()])
    assert sets[BTC].received == sets[ETH].acknowledged == BitMap64(range(11, 21))


def test_a_journal_that_lost_its_end_excuses_no_loss(journal: Path) -> None:
    journals = Journals.of([journal])
    write(journal, range(11, 21))
    os.truncate(journal, journal.stat().st_size - 4 * ACK_RECORD.itemsize)
    with pytest.raises(MeasurementError, match=r"lack 2 messages that a tier shows, .* 20 first"):
        journals.read(SENT, [tier()])


def test_a_journal_with_a_hole_excuses_no_loss(journal: Path) -> None:
    journals = Journals.of([journal])
    write(journal, [*range(11, 14), *range(16, 21)])
    with pytest.raises(MeasurementError, match=r"lack 4 messages .* 14-15 first"):
        journals.read(SENT, [tier()])
    missed = journals.read(SENT, [tier([14, 15])])  # nobody shows them: the handler hadn't got them
    assert 14 not in missed[BTC].received


def test_a_journal_shorter_than_at_the_start_is_an_error_though_all_that_it_lacks_is_lost(journal: Path) -> None:  # fmt: skip
    journals = Journals.of([journal])
    os.truncate(journal, 4 * ACK_RECORD.itemsize)
    with pytest.raises(MeasurementError, match="shorter than it was"):
        journals.read(SENT, [tier(range(11, 21))])


def test_what_earlier_runs_wrote_counts_for_nothing(journal: Path) -> None:
    with journal.open("ab") as file:  # of this run's numbers, but before it began
        file.write(np.array([(14, 0, 1, 0, 0)], dtype=ACK_RECORD).tobytes())
    journals = Journals.of([journal])
    write(journal, [11])
    assert journals.read(SENT, [tier(range(12, 21))])[BTC].received == BitMap64([11])


def test_either_of_two_handlers_of_one_feed_may_have_received_a_message(tmp_path: Path) -> None:
    paths = [tmp_path / "one.acks", tmp_path / "two.acks"]
    journals = Journals.of(paths)  # neither handler has begun to write
    write(paths[0], range(11, 16))
    write(paths[1], range(16, 21))
    assert journals.read(SENT, [tier()])[ETH].received == BitMap64(range(11, 21))
