"""What an Iceberg table tells of its past: its commits, whether each is whole, files that nobody needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileType
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntryStatus
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from chaosp7.errors import ReaderError
from chaosp7.platform.iceberg import reading

__all__ = ["AFTER", "TO", "Commit", "broken", "commits", "expired", "orphans"]

#: In the summary of a commit of the embedded offload: it holds the batches after this one ...
AFTER: Final = "offload.watermark-from"
#: ... up to this one.
TO: Final = "offload.watermark-to"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit.

    Attributes:
        snapshot: id of the snapshot that it made.
        number: its sequence number.
        committed_ms: when, by the writer's clock, Unix milliseconds.
        operation: ``append``, ``overwrite``, ...
        rows: how many it says to have added.
        after: the batch before its first one; None where nobody says.
        to: its last batch; None where nobody says.
    """

    snapshot: int
    number: int
    committed_ms: int
    operation: str
    rows: int
    after: int | None
    to: int | None


def commits(table: Table, since: int = 0) -> list[Commit]:
    """Return the commits that led to a table's current snapshot, the oldest first.

    Those whose snapshots have been expired aren't among them, nor any before these; see `expired`.

    Args:
        table: as it was loaded.
        since: leave out those up to this sequence number.
    """
    return [_commit(snapshot) for snapshot in _branch(table, since)]


def expired(table: Table, since: int = 0) -> bool:
    """Return whether the commit before the oldest one of `commits` has been expired.

    Args:
        table: as it was loaded.
        since: as of `commits`.
    """
    oldest = next(iter(_branch(table, since)), None)
    if oldest is None:
        return False
    if oldest.parent_snapshot_id is not None:
        return table.snapshot_by_id(oldest.parent_snapshot_id) is None
    # Whoever expires with PyIceberg takes it from its child as well. The table's first commit has none.
    before = (oldest.sequence_number or 0) - 1
    return before > 0 and before not in {snapshot.sequence_number for snapshot in table.metadata.snapshots}


def broken(table: Table, since: int = 0) -> list[str]:
    """Return in words what is wrong with a table's commits: parts that are missing, or rows between two.

    A commit is whole if each data file that it brought is there and holds as many rows as the manifest
    says, if these add up to what the commit says of itself, and if it begins where the one before ended.

    Args:
        table: as it was loaded.
        since: leave out commits up to this sequence number.

    Raises:
        ReaderError: if the manifests can't be read, or a commit's snapshot has been expired: of one that is
            asked for, or of the one before them where the first says which batch it begins after.
    """
    _refuse_expired(table, since)
    found = []
    for snapshot in _branch(table, since):
        commit = _commit(snapshot)
        files = list(_added(table, snapshot))
        counted = sum(file.record_count for file in files)
        if counted != commit.rows:
            found.append(f"commit {commit.number} says {commit.rows} rows, its files {counted}")
        for file in files:
            try:
                with reading(file.file_path), table.io.new_input(file.file_path).open() as opened:
                    rows = pq.read_metadata(opened).num_rows
            except ReaderError as error:
                found.append(f"commit {commit.number}: {error}")
            else:
                if rows != file.record_count:
                    found.append(f"commit {commit.number}: {file.file_path} has {rows} rows")
    known = [commit for commit in commits(table) if commit.after is not None]
    for before, commit in pairwise(known):
        if commit.number > since and commit.after != before.to:
            found.append(f"commit {commit.number} begins after batch {commit.after}, not {before.to}")
    return found


def orphans(table: Table, older_than_s: float, now_s: float) -> list[str]:
    """Return the data files below a table's folder that no snapshot has.

    Args:
        table: as it was loaded.
        older_than_s: leave out younger files: they may be of a commit that is under way, seconds.
        now_s: the time by the object store's clock, Unix seconds.

    Raises:
        ReaderError: if folder or manifests can't be read.
    """
    if not isinstance(table.io, PyArrowFileIO):
        raise ReaderError(f"a table's folder can't be listed through {type(table.io).__name__}")
    with reading("Iceberg table's folder"):
        needed = set()
        manifests = {
            manifest.manifest_path: manifest
            for snapshot in table.metadata.snapshots
            for manifest in snapshot.manifests(table.io)
        }
        for manifest in manifests.values():
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
                needed.add(PyArrowFileIO.parse_location(entry.data_file.file_path)[2])
        scheme, host, folder = PyArrowFileIO.parse_location(f"{table.location()}/data")
        listed = table.io.fs_by_scheme(scheme, host).get_file_info(
            FileSelector(folder, recursive=True, allow_not_found=True)
        )
        return sorted(
            info.path
            for info in listed
            if info.type is FileType.File
            and info.path not in needed
            and now_s - info.mtime.timestamp() > older_than_s
        )


def _refuse_expired(table: Table, since: int) -> None:
    if not expired(table, since):
        return
    first = commits(table, since)[0]
    if first.number > since + 1 or first.after is not None:
        name = ".".join(table.name())
        raise ReaderError(
            f"Iceberg table {name}: the snapshots before commit {first.number} have been expired: "
            f"whether all commits after {since} are whole can't be told"
        )


def _branch(table: Table, since: int) -> list[Snapshot]:
    found = []
    snapshot = table.current_snapshot()
    while snapshot is not None and (snapshot.sequence_number or 0) > since:
        found.append(snapshot)
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else table.snapshot_by_id(parent)
    return found[::-1]


def _commit(snapshot: Snapshot) -> Commit:
    summary = snapshot.summary
    more = {} if summary is None else summary.additional_properties
    return Commit(
        snapshot=snapshot.snapshot_id,
        number=snapshot.sequence_number or 0,
        committed_ms=snapshot.timestamp_ms,
        operation="" if summary is None else summary.operation.value,
        rows=int(more.get("added-records", 0)),
        after=int(more[AFTER]) if AFTER in more else None,
        to=int(more[TO]) if TO in more else None,
    )


def _added(table: Table, snapshot: Snapshot) -> Iterator[DataFile]:
    with reading("Iceberg manifests"):
        for manifest in snapshot.manifests(table.io):
            if (
                manifest.content is ManifestContent.DATA
                and manifest.added_snapshot_id == snapshot.snapshot_id
            ):
                for entry in manifest.fetch_manifest_entry(table.io):
                    if entry.status is ManifestEntryStatus.ADDED:
                        yield entry.data_file
