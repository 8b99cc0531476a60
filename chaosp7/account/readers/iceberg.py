"""Read an Iceberg tier: every row that was committed since the run began, from one snapshot.

Which data files can hold anything of the run is in the manifests; only of those, and only the columns
that are accounted for, is anything read. One file at a time: memory is bounded by the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import DataScan, FileScanTask, Table
from pyiceberg.types import PrimitiveType

from chaosp7.account.digest import CHUNK, ChunkKey, DigestTable
from chaosp7.account.readers.iceberg_columns import NAMES, decoded
from chaosp7.account.rows import Rows
from chaosp7.errors import ReaderError
from chaosp7.platform.iceberg import data_files_after, has_deletes, reading
from chaosp7.platform.model import IcebergSource

__all__ = ["IcebergReader", "Span", "batches", "can_hold"]

#: First and last sequence, both inclusive.
Span = tuple[int, int]

#: Columns with few different texts.
_CODED = ("exchange", "symbol", "side")
#: An Iceberg sequence isn't higher.
_LONG_MAX = (1 << 63) - 1
#: Chunks that one condition names: a longer one costs more than it saves.
_KEYS_MAX = 64


def batches(
    table: Table,
    source: IcebergSource,
    files: Sequence[DataFile],
    names: Sequence[str] = NAMES,
    spans: Sequence[Span] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Go through the rows of some of a table's data files.

    Args:
        table: of this snapshot.
        source: says what its columns are called.
        files: the data files.
        names: what is read, by our names.
        spans: of sequences: rows outside of them may be left out, and files whose statistics say that they
            have no others aren't opened. None: all rows.

    Yields:
        Rows, columns by our names in the order of `names`.

    Raises:
        ReaderError: if a file can't be read, or a column isn't there.
    """
    theirs = [source.columns[name] for name in names]
    for column in theirs:
        if column not in table.schema().column_names:
            raise ReaderError(f"Iceberg table {source.table}: no column {column!r}")
    with reading(f"Iceberg table {source.table}"):
        wanted: str | BooleanExpression = AlwaysTrue()
        if spans is not None:
            column = source.columns["sequence"]
            wanted = " OR ".join(f"({column} >= {first} AND {column} <= {last})" for first, last in spans)
            files = [file for file in files if can_hold(table, column, file, spans)]
        scan = table.scan(row_filter=wanted, selected_fields=tuple(theirs))
        coded = tuple(source.columns[name] for name in names if name in _CODED)
        for task in _tasks(table, source, scan, files):
            # One task at a time: of all at once it would read ahead of us, whole files into memory.
            one = ArrowScan(
                table.metadata, table.io, scan.projection(), scan.row_filter, dictionary_columns=coded
            )
            rows = 0
            for batch in one.to_record_batches([task]):
                rows += batch.num_rows
                yield batch.select(theirs).rename_columns(list(names))
            if spans is None and not task.delete_files and rows != task.file.record_count:
                said = f"a file gave {rows} of {task.file.record_count} rows"
                raise ReaderError(f"Iceberg table {source.table}: {said}")


def _tasks(
    table: Table, source: IcebergSource, scan: DataScan, files: Sequence[DataFile]
) -> Iterable[FileScanTask]:
    """Return what is to be read; planning a scan would go through the whole table's manifests."""
    if not has_deletes(table):
        return [FileScanTask(file) for file in files]
    paths = {file.file_path for file in files}
    tasks = [task for task in scan.plan_files() if task.file.file_path in paths]
    if missing := len(paths) - len(tasks):
        raise ReaderError(f"Iceberg table {source.table}: {missing} data files aren't in its scan")
    return tasks


def can_hold(table: Table, column: str, file: DataFile, spans: Sequence[Span]) -> bool:
    """Return whether a file can have rows of some spans, by its statistics.

    Args:
        table: whose file it is.
        column: of whole numbers, or of times in their own unit.
        file: the file.
        spans: of the column's values.
    """
    field = table.schema().find_field(column)
    lower, upper = (
        bounds.get(field.field_id) for bounds in (file.lower_bounds or {}, file.upper_bounds or {})
    )
    if lower is None or upper is None or not isinstance(field.field_type, PrimitiveType):
        return True
    lowest, highest = int(from_bytes(field.field_type, lower)), int(from_bytes(field.field_type, upper))
    return any(lowest <= last and highest >= first for first, last in spans)


class IcebergReader:
    """Reads one snapshot of a table.

    Args:
        table: as it was loaded.
        source: says what its columns are called.
        start: the table's `sequence_number` when the run began.
    """

    def __init__(self, table: Table, source: IcebergSource, start: int) -> None:
        self._table = table
        self._source = source
        self._files = data_files_after(table, start)
        self.nameless = 0
        """Rows without an exchange, symbol or sequence, after `digests`."""

    def digests(self, table: DigestTable) -> DigestTable:
        """Fill a table with the digests of everything that the run has brought.

        Args:
            table: an empty one of the run: ``expected(...).table()``.

        Returns:
            The same table.

        Raises:
            ReaderError: if not every file could be read.
        """
        self.nameless = 0
        for batch in batches(self._table, self._source, self._files):
            rows, nameless = decoded(batch, table.feeds, self._source.sides)
            table.add(rows.feeds, rows.sequences, rows.checksums)
            self.nameless += nameless
        return table

    def rows(self, table: DigestTable, keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        """Go through the files again, for the rows of some chunks (others come along).

        Args:
            table: the digests' table: its numbering of feeds is used.
            keys: the chunks that are wanted.

        Raises:
            ReaderError: if not every file could be read.
        """
        for batch in batches(self._table, self._source, self._files, spans=_spans(keys)):
            yield decoded(batch, table.feeds, self._source.sides)[0]


def _spans(keys: Sequence[ChunkKey]) -> list[Span] | None:
    """Return the sequences of some chunks, of whatever feed.

    Sequences only: an exchange may be written in another case than ours.
    """
    chunks = sorted({key.chunk for key in keys})
    if not 0 < len(chunks) <= _KEYS_MAX or chunks[-1] * CHUNK > _LONG_MAX:
        return None
    return [(chunk * CHUNK, min(chunk * CHUNK + CHUNK - 1, _LONG_MAX)) for chunk in chunks]
