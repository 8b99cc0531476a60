"""Read an Iceberg tier: every row that was committed since the run began, from one snapshot.

Which data files can hold anything of the run is in the manifests; only of those, and only the columns
that are accounted for, is anything read. One file at a time: memory is bounded by the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import Table

from chaosp7.account.digest import CHUNK, ChunkKey, DigestTable
from chaosp7.account.readers.iceberg_columns import NAMES, decoded
from chaosp7.account.rows import Rows
from chaosp7.errors import ReaderError
from chaosp7.platform.iceberg import data_files_after, reading
from chaosp7.platform.model import IcebergSource

__all__ = ["IcebergReader", "batches"]

#: Columns with few different texts.
_CODED = ("exchange", "symbol", "side")
#: An Iceberg sequence isn't higher.
_LONG_MAX = (1 << 63) - 1
#: Chunks that one condition names: a longer one costs more than it saves.
_KEYS_MAX = 64


def batches(
    table: Table,
    source: IcebergSource,
    files: set[str],
    names: Sequence[str] = NAMES,
    condition: str | None = None,
) -> Iterator[pa.RecordBatch]:
    """Go through the rows of some of a table's data files.

    Args:
        table: of this snapshot.
        source: says what its columns are called.
        files: paths of the data files.
        names: what is read, by our names.
        condition: in PyIceberg's words, leaves out what can't be wanted; files whose statistics exclude
            it aren't opened.

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
        scan = table.scan(row_filter=condition or AlwaysTrue(), selected_fields=tuple(theirs))
        coded = tuple(source.columns[name] for name in names if name in _CODED)
        # One task at a time: all at once it would read ahead of us, whole files into memory.
        unread = set(files)
        for task in scan.plan_files():
            if task.file.file_path not in files:
                continue
            unread.discard(task.file.file_path)
            one = ArrowScan(
                table.metadata, table.io, scan.projection(), scan.row_filter, dictionary_columns=coded
            )
            rows = 0
            for batch in one.to_record_batches([task]):
                rows += batch.num_rows
                yield batch.select(theirs).rename_columns(list(names))
            wanted = task.file.record_count
            if condition is None and not task.delete_files and rows != wanted:
                raise ReaderError(f"Iceberg table {source.table}: a file gave {rows} of {wanted} rows")
        if condition is None and unread:
            raise ReaderError(f"Iceberg table {source.table}: {len(unread)} data files aren't in its scan")


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
            rows, nameless = decoded(batch, table.feeds, self._source.sell)
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
        for batch in batches(self._table, self._source, self._files, condition=self._condition(keys)):
            yield decoded(batch, table.feeds, self._source.sell)[0]

    def _condition(self, keys: Sequence[ChunkKey]) -> str | None:
        """Return what all rows of the chunks fulfil.

        Sequences only: an exchange may be written in another case than ours.
        """
        chunks = sorted({key.chunk for key in keys})
        if not 0 < len(chunks) <= _KEYS_MAX or chunks[-1] * CHUNK > _LONG_MAX:
            return None
        column = self._source.columns["sequence"]
        spans = [ChunkKey(keys[0].feed, chunk) for chunk in chunks]
        return " OR ".join(
            f"({column} >= {span.first} AND {column} <= {min(span.last, _LONG_MAX)})" for span in spans
        )
