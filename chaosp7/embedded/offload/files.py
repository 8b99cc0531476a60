"""Data files: written as a whole before anything names them."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from pyiceberg.io import FileIO, InputFile, OutputFile, OutputStream
from pyiceberg.io.pyarrow import _dataframe_to_data_files, schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

__all__ = ["write"]


def write(table: Table, rows: pa.Table, in_the_middle: Callable[[], None]) -> list[DataFile]:
    """Write rows as data files of a table; the table doesn't have them yet.

    Args:
        table: which one.
        rows: columns by name, in the order that the files are to have.
        in_the_middle: called when a part of a file has been written, and not all of it.
    """
    target = schema_to_pyarrow(table.schema(), include_field_ids=False)
    fitting = rows.select(target.names).cast(target)
    io = _Watched(table.io, in_the_middle)
    return list(_dataframe_to_data_files(table.metadata, fitting, io))


class _Watched(FileIO):
    """A FileIO that tells when it is in the middle of a file."""

    def __init__(self, io: FileIO, in_the_middle: Callable[[], None]) -> None:
        super().__init__(io.properties)
        self._io = io
        self._in_the_middle = in_the_middle

    def new_input(self, location: str) -> InputFile:
        return self._io.new_input(location)

    def new_output(self, location: str) -> OutputFile:
        return _WatchedFile(self._io.new_output(location), self._in_the_middle)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        self._io.delete(location)


class _WatchedFile(OutputFile):
    def __init__(self, file: OutputFile, in_the_middle: Callable[[], None]) -> None:
        super().__init__(file.location)
        self._file = file
        self._in_the_middle = in_the_middle

    def __len__(self) -> int:
        return len(self._file)

    def exists(self) -> bool:
        return self._file.exists()

    def to_input_file(self) -> InputFile:
        return self._file.to_input_file()

    def create(self, overwrite: bool = False) -> OutputStream:
        return _WatchedStream(self._file.create(overwrite), self._in_the_middle)


class _WatchedStream(OutputStream):
    def __init__(self, stream: Any, in_the_middle: Callable[[], None]) -> None:
        self._stream = stream
        self._in_the_middle = in_the_middle
        self._writes = 0

    def write(self, b: bytes) -> int:
        self._writes += 1
        # The first one is the magic number alone.
        if self._writes == 3:
            self._in_the_middle()
        return int(self._stream.write(b) or 0)

    def close(self) -> None:
        self._stream.close()

    @property
    def closed(self) -> bool:
        return bool(self._stream.closed)

    def flush(self) -> None:
        self._stream.flush()

    def tell(self) -> int:
        return int(self._stream.tell())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exctype: type[BaseException] | None,
        excinst: BaseException | None,
        exctb: TracebackType | None,
    ) -> None:
        self._stream.__exit__(exctype, excinst, exctb)
