"""A journal gives back exactly what was written, or is refused: a loss is never told milder than it is."""

import errno
import os
import struct
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account import acks
from chaosp7.account.acks import ACK_RECORD, ACKNOWLEDGED, RECEIVED, REFUSED, AckSets, AckWriter, read_acks
from chaosp7.account.feeds import Feed
from chaosp7.errors import ConfigError, MeasurementError

BTC, ETH, STRANGER = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT"), Feed("kraken", "BTC/USD")
FEEDS = (BTC, ETH)
ALL = (0, (1 << 64) - 2)

Record = tuple[int, int, int]
records = st.lists(
    st.tuples(
        st.sampled_from([RECEIVED, ACKNOWLEDGED, REFUSED]),
        st.integers(0, 1),
        st.integers(0, 12) | st.sampled_from([(1 << 53) + 1, 1 << 63, (1 << 64) - 2]),
    ),
    max_size=30,
)


def write(path: Path, lives: Sequence[Sequence[Record]], torn_bytes: int = 0) -> None:
    """Write a journal; every life but the last one ends in a torn record."""
    for number, life in enumerate(lives):
        writer = AckWriter(path, FEEDS, session=number)
        for kind, feed, sequence in life:
            (writer.received, writer.acknowledged, writer.refused)[kind - 1](feed, sequence)
        writer.close()
        if number < len(lives) - 1 or torn_bytes:
            with path.open("ab") as file:
                file.write(b"\xff" * (torn_bytes or 5))


def plain(sets: AckSets) -> tuple[set[int], set[int], set[int]]:
    return set(sets.received), set(sets.acknowledged), set(sets.refused)


@settings(max_examples=80, deadline=None)
@given(
    lives=st.lists(records, min_size=1, max_size=3),
    torn_bytes=st.integers(0, 15),
    first=st.integers(0, 6),
    last=st.sampled_from([-1, 5, 12, (1 << 64) - 2]),
    at_once=st.integers(1, 7),
)
def test_a_journal_of_several_lives_with_a_torn_tail_says_what_a_naive_list_says(
    lives: list[list[Record]], torn_bytes: int, first: int, last: int, at_once: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(acks, "_READ_RECORDS", at_once)
        path = Path(folder) / "handler.acks"
        write(path, lives, torn_bytes)
        found = read_acks(path, {BTC: (first, last), ETH: ALL, STRANGER: ALL})
    assert set(found) == {BTC, ETH}
    for index, feed, low, high in ((0, BTC, first, last), (1, ETH, *ALL)):
        wanted: tuple[set[int], set[int], set[int]] = (set(), set(), set())
        for kind, of_feed, sequence in (record for life in lives for record in life):
            if of_feed == index and low <= sequence <= high:
                wanted[kind - 1].add(sequence)
        assert plain(found[feed]) == wanted


def test_a_feed_that_the_journal_does_not_know_has_no_journal_rather_than_an_empty_one(
    tmp_path: Path,
) -> None:
    write(tmp_path / "j", [[]])
    found = read_acks(tmp_path / "j", {BTC: ALL, STRANGER: ALL})
    assert {feed: plain(sets) for feed, sets in found.items()} == {BTC: (set(), set(), set())}


@pytest.mark.parametrize(("kind", "feed"), [(0, 0), (4, 0), (255, 1), (RECEIVED, 2), (RECEIVED, 65_535)])
def test_a_record_of_an_unknown_kind_or_feed_is_damage(tmp_path: Path, kind: int, feed: int) -> None:
    path = tmp_path / "j"
    writer = AckWriter(path, FEEDS)
    writer.received(0, 1)
    writer.append(writer.pack(kind, feed, 2))
    writer.received(1, 3)
    writer.close()
    with pytest.raises(MeasurementError, match="damaged"):
        read_acks(path, {BTC: ALL})


def test_a_tail_of_zeros_after_a_host_crash_is_damage_and_not_an_end(tmp_path: Path) -> None:
    path = tmp_path / "j"
    write(path, [[(RECEIVED, 0, 1)]])
    with path.open("ab") as file:
        file.write(b"\0" * 3 * ACK_RECORD.itemsize)
    with pytest.raises(MeasurementError, match="damaged"):
        read_acks(path, {BTC: ALL})


def test_a_missing_journal_is_an_error_and_not_nothing_received(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="can't be read"):
        read_acks(tmp_path / "j", {BTC: ALL})
    write(tmp_path / "j", [[]])
    (tmp_path / "j").unlink()
    with pytest.raises(MeasurementError, match="can't be read"):
        read_acks(tmp_path / "j", {BTC: ALL})


@pytest.mark.parametrize("content", [b"", b"{", b'{"feeds": [["binance"]]}', b'{"feeds": [[1, 2]]}'])
def test_a_damaged_list_of_feeds_is_an_error(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "j", [[(RECEIVED, 0, 1)]])
    (tmp_path / "j.json").write_bytes(content)
    with pytest.raises(MeasurementError, match="damaged"):
        read_acks(tmp_path / "j", {BTC: ALL})


@pytest.mark.parametrize(
    ("offset_bytes", "left"), [(0, {1, 2, 3}), (16, {2, 3}), (31, {2, 3}), (32, {3}), (48, set())]
)
def test_a_journal_is_read_from_an_offset_rounded_down_to_whole_records(
    tmp_path: Path, offset_bytes: int, left: set[int]
) -> None:
    write(tmp_path / "j", [[(RECEIVED, 0, sequence) for sequence in (1, 2, 3)]])
    found = read_acks(tmp_path / "j", {BTC: ALL}, offset_bytes=offset_bytes)
    assert set(found[BTC].received) == left


def test_a_journal_shorter_than_the_offset_is_an_error_and_not_nothing_received(tmp_path: Path) -> None:
    write(tmp_path / "j", [[(ACKNOWLEDGED, 0, 1)]])
    with pytest.raises(MeasurementError, match="shorter"):
        read_acks(tmp_path / "j", {BTC: ALL}, offset_bytes=32)


def test_a_journal_that_shrinks_while_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j"
    write(path, [[(ACKNOWLEDGED, 0, sequence) for sequence in range(1000)]])

    def before_it_shrank(fd: int) -> os.stat_result:
        size = list(os.stat(fd))
        size[6] += 16
        return os.stat_result(size)

    monkeypatch.setattr(os, "fstat", before_it_shrank)
    with pytest.raises(MeasurementError, match="shrinks"):
        read_acks(path, {BTC: ALL})


def test_a_torn_record_is_cut_off_by_the_next_life_so_that_its_records_stay_aligned(tmp_path: Path) -> None:
    path = tmp_path / "j"
    write(path, [[(RECEIVED, 0, 1)]], torn_bytes=9)
    assert path.stat().st_size == 25
    write(path, [[(ACKNOWLEDGED, 0, 1)]])
    assert path.stat().st_size == 32
    assert plain(read_acks(path, {BTC: ALL})[BTC]) == ({1}, {1}, set())


def test_a_journal_of_other_feeds_is_not_continued(tmp_path: Path) -> None:
    write(tmp_path / "j", [[(RECEIVED, 0, 1)]])
    for _ in range(2):
        with pytest.raises(
            ConfigError,
            match="was written for binance BTC/USDT, binance ETH/USDT, not binance ETH/USDT, binance BTC/USDT",
        ):
            AckWriter(tmp_path / "j", (ETH, BTC))


def test_a_writer_that_was_refused_does_not_keep_the_journal_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acks, "_LOCK_PAUSE_S", 0)
    path = tmp_path / "j"
    write(path, [[(RECEIVED, 0, 1)]])
    with pytest.raises(ConfigError):
        AckWriter(path, (ETH, BTC))
    AckWriter(path, FEEDS).close()

    def full_disk(_fd: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", full_disk)
        with pytest.raises(MeasurementError, match="can't be opened: No space left"):
            AckWriter(path, FEEDS)
    AckWriter(path, FEEDS).close()


def test_a_journal_that_can_not_be_created_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="can't be opened: No such file"):
        AckWriter(tmp_path / "nowhere" / "j", FEEDS)


def test_a_writer_waits_for_a_former_one_that_is_just_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = AckWriter(tmp_path / "j", FEEDS)
    waited: list[float] = []

    def ends(pause_s: float) -> None:
        waited.append(pause_s)
        if len(waited) == 3:
            former.close()

    monkeypatch.setattr(acks.time, "sleep", ends)
    AckWriter(tmp_path / "j", FEEDS).close()
    assert len(waited) == 3


def test_a_journal_has_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acks, "_LOCK_PAUSE_S", 0)
    writer = AckWriter(tmp_path / "j", FEEDS)
    with pytest.raises(ConfigError, match="another process"):
        AckWriter(tmp_path / "j", FEEDS)
    writer.close()
    AckWriter(tmp_path / "j", FEEDS).close()


def test_after_a_failed_write_the_journal_has_whole_records_only_and_takes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j"
    writer = AckWriter(path, FEEDS)
    writer.received(0, 1)
    writer.received(1, 1)
    write_all = os.write
    calls = 0

    def full_disk(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_all(fd, data[:7])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_disk)
        with pytest.raises(MeasurementError, match="No space left"):
            writer.received(0, 2)
    with pytest.raises(MeasurementError, match="No space left"):
        writer.acknowledged(0, 3)
    writer.close()
    with pytest.raises(MeasurementError, match="No space left"):
        writer.acknowledged(0, 3)
    assert path.stat().st_size == 2 * ACK_RECORD.itemsize
    assert plain(read_acks(path, {BTC: ALL})[BTC]) == ({1}, set(), set())


def test_a_short_write_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = AckWriter(tmp_path / "j", FEEDS)
    write_all = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write_all(fd, data[:7]))
    writer.append(writer.pack(RECEIVED, 0, 5) + writer.pack(ACKNOWLEDGED, 1, 6))
    writer.close()
    found = read_acks(tmp_path / "j", {BTC: ALL, ETH: ALL})
    assert (plain(found[BTC]), plain(found[ETH])) == (({5}, set(), set()), (set(), {6}, set()))


def test_a_closed_journal_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = AckWriter(tmp_path / "j", FEEDS)
    writer.close()
    with monkeypatch.context() as patch:
        # A second close would hit a file of somebody else that has got the number since.
        patch.setattr(os, "close", lambda fd: pytest.fail(f"{fd} isn't the journal's any more"))
        writer.close()
    with pytest.raises(MeasurementError, match="is closed"):
        writer.received(0, 1)


def test_a_record_is_sixteen_bytes_with_the_life_that_wrote_it(tmp_path: Path) -> None:
    writer = AckWriter(tmp_path / "j", FEEDS, session=(5 << 32) + 7)
    writer.refused(1, (1 << 63) + 2)
    assert writer.pack(REFUSED, 1, (1 << 63) + 2) == (tmp_path / "j").read_bytes()
    writer.close()
    data = (tmp_path / "j").read_bytes()
    assert data == struct.pack("<QHBBI", (1 << 63) + 2, 1, 3, 0, 7)
    (record,) = np.frombuffer(data, dtype=ACK_RECORD)
    assert dict(zip(ACK_RECORD.names or (), record.tolist(), strict=True)) == {
        "sequence": (1 << 63) + 2, "feed": 1, "kind": 3, "pad": 0, "session": 7,
    }  # fmt: skip


def test_a_life_is_numbered_by_the_time_at_which_it_began(tmp_path: Path) -> None:
    before_s = int(time.time())
    writer = AckWriter(tmp_path / "j", FEEDS)
    writer.close()
    assert before_s <= writer.session <= time.time()


def test_a_message_between_two_others_is_not_taken_for_one_of_them(tmp_path: Path) -> None:
    write(tmp_path / "j", [[(RECEIVED, 0, sequence) for sequence in (1, 3, 5, 6, 9)]])
    assert set(read_acks(tmp_path / "j", {BTC: ALL})[BTC].received) == {1, 3, 5, 6, 9}


def test_a_feed_that_does_not_matter_hides_none_after_it(tmp_path: Path) -> None:
    write(tmp_path / "j", [[(RECEIVED, 0, 1), (RECEIVED, 1, 2)]])
    found = read_acks(tmp_path / "j", {ETH: ALL})
    assert {feed: plain(sets) for feed, sets in found.items()} == {ETH: ({2}, set(), set())}


SETS = st.builds(AckSets, *(st.sets(st.integers(0, 9)).map(BitMap64) for _ in range(3)))


@given(SETS, SETS)
def test_two_journals_together_say_what_either_says(one: AckSets, other: AckSets) -> None:
    both = [a | b for a, b in zip(plain(one), plain(other), strict=True)]
    assert list(plain(one.union(other))) == both
