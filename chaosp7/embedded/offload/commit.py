"""One commit: the rows and the interval that they cover, together or not at all.

PyIceberg commits again on top of somebody else's commit when it is refused. For rows that somebody
else may just have written that is wrong: a commit is tried once, against the very snapshot that the
increment was read for.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import AssertTableUUID

from chaosp7.platform.iceberg_history import AFTER, TO

__all__ = ["Prepared", "committed", "prepare"]


class Prepared(Transaction):
    """A commit whose manifests are written; only `commit_transaction` changes the table."""

    def commit_transaction(self) -> Table:
        """Ask the catalog once.

        Raises:
            CommitFailedException: somebody else has committed; this one never will.
            Exception: whatever else: it may have happened, or may yet happen.
        """
        required = (*self._requirements, AssertTableUUID(uuid=self.table_metadata.table_uuid))
        # Files of a refused commit stay: an answer can be wrong, a deleted file is gone.
        self._table.catalog.commit_table(self._table, required, self._updates)
        return self._table


def prepare(table: Table, files: Iterable[DataFile], after: int, to: int) -> Prepared:
    """Write the manifests of a commit on top of the table's present snapshot.

    Args:
        table: as it was when the increment was chosen.
        files: data files that are there.
        after: the batch before the first.
        to: the last batch.
    """
    prepared = Prepared(table)
    properties = {AFTER: str(after), TO: str(to)}
    with prepared.update_snapshot(snapshot_properties=properties).fast_append() as append:
        for file in files:
            append.append_data_file(file)
    return prepared


def committed(metadata: TableMetadata) -> int | None:
    """Return the last batch that a table holds by its own account.

    Returns:
        What the newest snapshot says that says anything; None if none does.
    """
    snapshot = metadata.current_snapshot()
    while snapshot is not None:
        if snapshot.summary is not None and (to := snapshot.summary.additional_properties.get(TO)):
            return int(to)
        parent = snapshot.parent_snapshot_id
        snapshot = metadata.snapshot_by_id(parent) if parent is not None else None
    return None
