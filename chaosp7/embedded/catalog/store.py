"""The catalog itself: PyIceberg's SQL catalog on SQLite, one change at a time.

A table's state is a metadata file in the object store; which one is current is one row in SQLite.
The file is written first, the row is changed in one transaction: a catalog that dies in between
leaves a file that nobody names, and the table as it was.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest, CommitTableResponse, Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.typedef import Identifier

from chaosp7.embedded import lake
from chaosp7.embedded.one_try import ONE_TRY

__all__ = ["CatalogStore"]


class CatalogStore:
    """Namespaces and tables.

    Args:
        folder: for the database.
        object_store: where metadata files are written, ``host:port``.
    """

    def __init__(self, folder: Path, object_store: str) -> None:
        self._catalog = SqlCatalog(
            "cold",
            uri=f"sqlite:///{folder / 'catalog.db'}",
            warehouse=lake.WAREHOUSE,
            **lake.s3_properties(object_store),
            **ONE_TRY,
        )
        self._changes = Lock()

    def namespaces(self) -> list[Identifier]:
        """Return the top-level namespaces."""
        return self._catalog.list_namespaces()

    def namespace(self, name: Identifier) -> dict[str, str]:
        """Return a namespace's properties."""
        return dict(self._catalog.load_namespace_properties(name))

    def create_namespace(self, name: Identifier, properties: dict[str, str]) -> dict[str, str]:
        """Make a namespace and return its properties."""
        with self._changes:
            self._catalog.create_namespace(name, properties)
        return properties

    def drop_namespace(self, name: Identifier) -> None:
        """Remove an empty namespace."""
        with self._changes:
            self._catalog.drop_namespace(name)

    def tables(self, namespace: Identifier) -> list[Identifier]:
        """Return the identifiers of a namespace's tables."""
        return self._catalog.list_tables(namespace)

    def load(self, identifier: Identifier) -> Table:
        """Return a table as it is now."""
        return self._catalog.load_table(identifier)

    def create(self, namespace: Identifier, request: CreateTableRequest) -> Table:
        """Make a table."""
        with self._changes:
            return self._catalog.create_table(
                (*namespace, request.name),
                request.table_schema,
                request.location,
                request.partition_spec or UNPARTITIONED_PARTITION_SPEC,
                request.write_order or UNSORTED_SORT_ORDER,
                request.properties,
            )

    def drop(self, identifier: Identifier, *, purge: bool) -> None:
        """Remove a table; `purge`: its files too."""
        with self._changes:
            if purge:
                self._catalog.purge_table(identifier)
            else:
                self._catalog.drop_table(identifier)

    def commit(self, identifier: Identifier, request: CommitTableRequest) -> CommitTableResponse:
        """Change a table if all that the request requires of it still holds.

        Raises:
            CommitFailedException: it doesn't; nothing has changed.
        """
        with self._changes:
            # It loads the table itself and checks the requirements against that one.
            table = self._catalog.load_table(identifier)
            return self._catalog.commit_table(table, request.requirements, request.updates)
