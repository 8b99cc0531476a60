"""The cold tier's probes see what is wrong with a real Iceberg table, and say when they can't."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from chaoslib.exceptions import ActivityFailed
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.platform import iceberg
from chaosp7.platform.iceberg_history import AFTER, TO
from chaosp7.recorder.offload_watch import OffloadLook
from chaosp7.run.evidence import OffloadReport
from probes import cold
from tests.iceberg_table import IcebergTable

FEEDS = (Feed("binance", "BTC/USDT"),)


class Watched:
    """A run with one Iceberg tier, as the probes see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = IcebergTable(folder)
        self.looks: list[OffloadLook] = []
        self.reports: list[OffloadReport] = []
        self.run = SimpleNamespace(
            icebergs={"cold": self.table.start()},
            recorder=SimpleNamespace(offload=SimpleNamespace(looks=self.looks)),
            model=SimpleNamespace(name="tested"),
            plan=SimpleNamespace(faults_expected=1),
            finished=True,
            offload_reports=lambda: self.reports,
        )

    def append(self, count: int, after: int, to: int) -> None:
        records = np.zeros(count, dtype=RECORD)
        records["sequence"] = np.arange(count)
        self.table.table.append(
            self.table.rows(records, FEEDS), snapshot_properties={AFTER: str(after), TO: str(to)}
        )

    def tells(self, **watermarks: int) -> None:
        self.looks.append(
            OffloadLook(before_ns=0, after_ns=1, counters={"failures": 0}, watermarks=watermarks)
        )

    def reported(self, **changes: object) -> None:
        values = {"fault": 0, "looks": 40, "unanswered": 0, "failures": 3, "retries": 3, "watermarks_moved": [],
                  "resumed_s": 2.0, "resumed_uncertainty_s": 0.25}  # fmt: skip
        self.reports.append(OffloadReport(**(values | changes)))  # type: ignore[arg-type]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched(tmp_path)
    monkeypatch.setattr(cold, "current_run", lambda: found.run)
    return found


def test_a_watermark_is_ahead_only_if_no_commit_holds_it(watched: Watched) -> None:
    watched.append(3, 0, 7)
    for watermark, ahead in ((6, 0), (7, 0), (8, 1)):
        watched.tells(trades=watermark, ohlcv=100)
        assert cold.watermarks_ahead_of_data() == ahead


def test_a_commit_after_the_tables_were_asked_for_is_no_watermark_that_is_ahead(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.append(3, 0, 7)
    watched.tells(trades=7)
    opened = iceberg.opened

    def in_between(catalog: Catalog, name: str) -> Table:
        table = opened(catalog, name)
        watched.append(3, 7, 9)
        watched.tells(trades=9)
        return table

    monkeypatch.setattr(iceberg, "opened", in_between)
    assert cold.watermarks_ahead_of_data() == 0


def test_a_watermark_that_nobody_tells_is_no_watermark_that_is_right(watched: Watched) -> None:
    with pytest.raises(ActivityFailed, match="has told no watermark"):
        cold.watermarks_ahead_of_data()
    watched.tells(ohlcv=1)
    with pytest.raises(ActivityFailed, match="tells no watermark of trades"):
        cold.watermarks_ahead_of_data()


def test_what_is_broken_or_left_behind_is_counted(watched: Watched) -> None:
    watched.append(3, 0, 7)
    assert (cold.broken_commits(), cold.orphan_files(0.0)) == (0, 0)
    watched.append(3, 9, 12)
    (first, *_) = sorted((watched.folder / "warehouse").rglob("*.parquet"))
    first.with_name("left.parquet").write_bytes(b"")
    assert cold.broken_commits() == 1
    assert cold.orphan_files(older_than_s=-1) == 1
    assert cold.orphan_files(older_than_s=60) == 0


def test_of_a_table_made_anew_in_the_run_every_commit_is_checked(watched: Watched) -> None:
    for to in (1, 2, 3):
        watched.append(3, to - 1, to)
    watched.run.icebergs = {"cold": watched.table.start()}
    watched.table.make_anew()
    watched.append(3, 0, 4)
    watched.append(3, 4, 5)
    assert cold.broken_commits() == 0
    table = iceberg.opened(iceberg.open_catalog(watched.table.source.catalog), "cold.trades")
    Path(iceberg.data_files_after(table, 0)[0].file_path.removeprefix("file://")).unlink()
    assert cold.broken_commits() == 1


def test_what_has_been_expired_is_neither_whole_nor_broken(watched: Watched) -> None:
    watched.append(3, 0, 7)
    first = watched.table.table.current_snapshot()
    assert first is not None
    watched.table.append(np.zeros(3, dtype=RECORD), FEEDS)  # somebody else's: it tells no batches
    watched.tells(trades=7)
    assert (cold.broken_commits(), cold.watermarks_ahead_of_data()) == (0, 0)
    watched.table.table.maintenance.expire_snapshots().by_id(first.snapshot_id).commit()
    with pytest.raises(ActivityFailed, match="the snapshots before commit 2 have been expired"):
        cold.broken_commits()
    with pytest.raises(ActivityFailed, match="the watermark is 7, the commits that aren't expired hold 0"):
        cold.watermarks_ahead_of_data()


@pytest.mark.parametrize("probe", [cold.broken_commits, cold.orphan_files, cold.watermarks_ahead_of_data])
def test_a_platform_without_a_cold_tier_can_not_be_asked(watched: Watched, probe: Callable[[], int]) -> None:
    watched.run.icebergs = {}
    with pytest.raises(ActivityFailed, match="has no Iceberg tier"):
        probe()


def test_the_offload_failed_loudly_if_it_counted_failures_in_each_fault(watched: Watched) -> None:
    watched.reported()
    assert cold.offload_failed_loudly()
    watched.reported(fault=1, failures=0)
    assert not cold.offload_failed_loudly()


def test_a_watermark_that_moved_in_a_fault_is_told(watched: Watched) -> None:
    watched.reported()
    assert cold.watermarks_unmoved()
    watched.reported(fault=1, watermarks_moved=["trades"])
    assert not cold.watermarks_unmoved()


@pytest.mark.parametrize(("resumed_s", "within"), [(2.0, True), (2.1, False), (None, False)])
def test_the_offload_resumed_only_if_a_watermark_moved_in_time(
    watched: Watched, resumed_s: float | None, within: bool
) -> None:
    watched.reported(resumed_s=resumed_s)
    assert cold.offload_resumed_within(2.0) is within


def test_before_the_method_nothing_has_failed_yet(watched: Watched) -> None:
    watched.run.finished = False
    assert cold.offload_failed_loudly()
    assert cold.watermarks_unmoved()
    assert cold.offload_resumed_within(1.0)


def test_what_was_not_seen_is_not_said(watched: Watched) -> None:
    with pytest.raises(ActivityFailed, match="no fault was seen"):
        cold.offload_failed_loudly()
    watched.reported(looks=5, unanswered=5)
    with pytest.raises(ActivityFailed, match="didn't answer"):
        cold.watermarks_unmoved()
    assert cold.offload_resumed_within(2.0)  # one that was dead meanwhile has come back all the same
    watched.run.recorder.offload = None
    with pytest.raises(ActivityFailed, match="has no offload"):
        cold.offload_resumed_within(1.0)
