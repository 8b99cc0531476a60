"""Iceberg tables: opened through whatever catalog they have, with a limit to every wait.

PyIceberg is an extra (``chaosp7[iceberg]``): nothing imports this module but for a tier of that kind.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

import msgspec
import pyarrow as pa
import requests
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NoSuchTableError, RESTError
from pyiceberg.manifest import DataFile, ManifestContent
from pyiceberg.table import Table
from sqlalchemy.exc import SQLAlchemyError

from chaosp7.errors import ConfigError, ReaderError
from chaosp7.platform.iceberg_catalog import TimedRestCatalog
from chaosp7.platform.model import IcebergSource

__all__ = [
    "IcebergStart", "data_files_after", "filled_in", "found", "has_deletes", "open_catalog", "opened",
    "reading", "sequence_number",
]  # fmt: skip

# Of each file it would say that its texts are coded, which we have asked for.
logging.getLogger("pyiceberg.io.pyarrow").setLevel(logging.ERROR)

#: What an object store that doesn't answer may cost, in PyIceberg's words, seconds.
_PATIENCE: Final = {"s3.connect-timeout": "2.0", "s3.request-timeout": "5.0"}

#: From this version of the format on commits are numbered.
_FORMAT_LEAST: Final = 2
_NO_NUMBERS: Final = "its commits have no numbers in format version 1"

_PLACE: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class IcebergStart:
    """An Iceberg tier when a run began.

    Attributes:
        source: the table, its catalog's properties filled in.
        number: of the table's newest commit then; 0 if there was none, or no table.
        identity: of the table, which one that is made anew by its name doesn't have; None: there was none.
    """

    source: IcebergSource
    number: int
    identity: UUID | None

    @classmethod
    def of(cls, source: IcebergSource, endpoint: Callable[[str], str]) -> Self:
        """Look where a table begins.

        Args:
            source: the table.
            endpoint: service -> where this machine reaches it.

        Raises:
            ConfigError: if a property stands for what isn't there, or commits have no numbers.
            ReaderError: if catalog or table can't be read.
        """
        known = filled_in(source, endpoint)
        table = found(open_catalog(known.catalog), known.table)
        if table is None:
            return cls(known, 0, None)
        if table.format_version < _FORMAT_LEAST:
            raise ConfigError(f"Iceberg table {known.table}: {_NO_NUMBERS}")
        return cls(known, sequence_number(table), table.metadata.table_uuid)

    def number_in(self, table: Table) -> int:
        """Return the number of the commit after which a table has what the run brought; 0: all of it.

        Args:
            table: by this name, as it is now: numbers of one that was made anew begin again.
        """
        return self.number if table.metadata.table_uuid == self.identity else 0


def filled_in(source: IcebergSource, endpoint: Callable[[str], str]) -> IcebergSource:
    """Put addresses and variables into the properties of a table's catalog.

    Args:
        source: the table.
        endpoint: service -> where this machine reaches it; raises an error of ours if there is none.

    Raises:
        ConfigError: if a variable isn't set.
    """

    def value(match: re.Match[str]) -> str:
        kind, _, name = match[1].rpartition(":")
        if kind != "env":
            return endpoint(match[1])
        if name not in os.environ:
            raise ConfigError(f"Iceberg table {source.table}: the environment has no {name}")
        return os.environ[name]

    return msgspec.structs.replace(
        source, catalog={key: _PLACE.sub(value, text) for key, text in source.catalog.items()}
    )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever catalog, object store or file say into a `ReaderError`.

    Args:
        what: is read in the block.
    """
    try:
        yield
    except (
        RESTError,
        SQLAlchemyError,
        requests.RequestException,
        OSError,
        pa.ArrowException,
        ValueError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReaderError(f"{what}: {reason}") from error


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """Open a catalog.

    Args:
        properties: PyIceberg's: ``type`` (``rest``, ``sql``, ...), ``uri``, ``s3.endpoint``, ...

    Raises:
        ReaderError: if it doesn't answer.
    """
    wanted = _PATIENCE | dict(properties)
    with reading("Iceberg catalog"):
        if wanted.get("type") == "rest":
            return TimedRestCatalog("chaosp7", **wanted)
        return load_catalog("chaosp7", **wanted)


def opened(catalog: Catalog, table: str) -> Table:
    """Return a table as it is now.

    Args:
        catalog: where it is.
        table: ``namespace.table``.

    Raises:
        ReaderError: if it isn't there, or can't be read.
    """
    known = found(catalog, table)
    if known is None:
        raise ReaderError(f"Iceberg table {table}: there is none")
    return known


def found(catalog: Catalog, table: str) -> Table | None:
    """Return a table as it is now, or None if there is none.

    Raises:
        ReaderError: if catalog or table can't be read.
    """
    with reading(f"Iceberg table {table}"):
        try:
            return catalog.load_table(table)
        except NoSuchTableError:
            return None


def sequence_number(table: Table) -> int:
    """Return the number of a table's newest commit; 0 if nothing was ever committed."""
    snapshot = table.current_snapshot()
    return 0 if snapshot is None else snapshot.sequence_number or 0


def data_files_after(table: Table, number: int) -> list[DataFile]:
    """Return the data files that a table's current snapshot has and that came after some commit.

    Files are immutable, and each carries the number of the commit that brought its rows: those that
    were there before a run can't hold anything of it. Only the manifests are read that have such files.

    Args:
        table: as it was loaded.
        number: the `sequence_number` of the commit; 0 for all files.

    Raises:
        ReaderError: if the manifests can't be read, or commits have no numbers: the table was made after the
            run began, or it would have been refused then.
    """
    if table.format_version < _FORMAT_LEAST:
        raise ReaderError(f"Iceberg table: {_NO_NUMBERS}")
    snapshot = table.current_snapshot()
    if snapshot is None:
        return []
    with reading("Iceberg manifests"):
        return [
            entry.data_file
            for manifest in snapshot.manifests(table.io)
            if manifest.content is ManifestContent.DATA and manifest.sequence_number > number
            for entry in manifest.fetch_manifest_entry(table.io)
            if (entry.sequence_number or 0) > number
        ]


def has_deletes(table: Table) -> bool:
    """Return whether rows of a table's current snapshot are deleted by files beside those that hold them.

    Raises:
        ReaderError: if the manifests can't be read.
    """
    snapshot = table.current_snapshot()
    if snapshot is None:
        return False
    with reading("Iceberg manifests"):
        return any(m.content is ManifestContent.DELETES for m in snapshot.manifests(table.io))
