"""The ClickHouse engine in this process: one lane for writes, a few for reads.

A connection of chdb answers one query at a time, but several connections to one path share one
engine and run side by side, each with settings of its own. So every statement that changes
something goes through one connection, in the order it came in; reads take a free one of a pool
and never wait behind a write. That order is part of the silver processor's exactly-once: a
statement whose client is gone is over before the next one begins.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaosp7.embedded.clickhouse.inserts import handed_over
from chaosp7.errors import PlatformError

__all__ = ["Engine", "EngineError", "Result", "is_read"]

#: Samplers, the silver processor's looks, and one for whoever asks beside them.
READ_LANES: Final = 3

_CODE = re.compile(r"Code: (\d+)\. ")
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
_READS: Final = frozenset(
    {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "FROM", "VALUES"}
)
_INSERT = re.compile(r"\binsert\s+into\b", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STATE = re.compile(
    r"(?:USE|SET)\b|(?:CREATE(?:\s+OR\s+REPLACE)?|ATTACH|REPLACE)\s+TEMPORARY\b", re.IGNORECASE
)
_BLANK = r"\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/"
_SECOND = re.compile(
    # What may hold a semicolon that ends nothing is stepped over.
    rf"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|{_BLANK}|;(?:{_BLANK}|;)*+(?P<more>[^\s;])""",
    re.DOTALL,
)
#: chdb answers such an INSERT with success and writes nothing.
_INPUT = re.compile(r"INSERT\b[^']*\bFROM\s+input\s*\(", re.IGNORECASE)
_SYNTAX_ERROR: Final = 62
_NOT_IMPLEMENTED: Final = 48
_UNKNOWN_SETTING: Final = 115
_HEAD_BYTES: Final = 4096


class EngineError(PlatformError):
    """The engine refused a statement.

    Attributes:
        code: ClickHouse's error code, 0 if it gave none.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Result:
    """An answer.

    Attributes:
        data: the rows in the format that was asked for.
        read_rows: rows read from storage.
        read_bytes: bytes read from storage.
        elapsed_ns: how long the engine took.
    """

    data: bytes
    read_rows: int
    read_bytes: int
    elapsed_ns: int


@dataclass(slots=True)
class _Lane:
    """A connection and what it is set to at present."""

    connection: Any
    settings: dict[str, str] = field(default_factory=dict)
    database: str = "default"


def is_read(sql: bytes) -> bool:
    """Tell whether a statement only reads; in doubt it doesn't."""
    head = sql[:_HEAD_BYTES].decode("utf-8", "replace")
    match = _FIRST_WORD.match(head)
    word = match[1].upper() if match else ""
    if word == "WITH" and _INSERT.search(sql.decode("utf-8", "replace")):
        return False
    return word in _READS


def _check(sql: bytes) -> None:
    """Refuse what would stay behind on a lane for other clients' statements, or run in the wrong one."""
    match = _FIRST_WORD.match(head := sql[:_HEAD_BYTES].decode("utf-8", "replace"))
    if match is None:
        return
    if _STATE.match(head, match.start(1)) or _INPUT.match(head, match.start(1)):
        raise EngineError(
            "Code: 48. DB::Exception: USE, SET, temporary tables and input() aren't supported by the embedded "
            "server: name database and settings with each query. (NOT_IMPLEMENTED)",
            _NOT_IMPLEMENTED,
        )
    # An INSERT's data may hold anything; all of it runs in the lane for writes.
    if b";" in sql and match[1].upper() != "INSERT":
        text = sql.decode("utf-8", "replace")
        if any(found["more"] for found in _SECOND.finditer(text, match.start(1))):
            raise EngineError(
                "Code: 62. DB::Exception: Syntax error: Multi-statements are not allowed. (SYNTAX_ERROR)",
                _SYNTAX_ERROR,
            )


class Engine:
    """The engine on a data folder.

    Args:
        data_dir: ClickHouse's own folder; made if it isn't there.
        config: the server's configuration file.
    """

    def __init__(self, data_dir: Path, config: Path) -> None:
        # Loading the library takes a second and 200 MB: only the server itself pays that.
        from chdb.state.sqlitelike import Connection  # noqa: PLC0415

        data_dir.mkdir(parents=True, exist_ok=True)
        target = f"{data_dir}?config-file={config}"
        self._writer = _Lane(Connection(target))
        self._write_lock = threading.Lock()
        self._readers = [_Lane(Connection(target)) for _ in range(READ_LANES)]
        self._free = list(self._readers)
        self._freed = threading.Condition()
        version, zone = self.execute(b"SELECT version(), timezone()").data.decode().strip().split("\t")
        self.version = version
        self.time_zone = zone

    def execute(
        self,
        sql: bytes,
        default_format: str = "TabSeparated",
        settings: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        database: str = "default",
    ) -> Result:
        """Run one statement, an INSERT's data behind it in the same bytes.

        Args:
            sql: the statement.
            default_format: format of the answer where the statement names none.
            settings: ClickHouse settings for this statement alone.
            parameters: values for ``{name:Type}``.
            database: names without one are looked up here.

        Raises:
            EngineError: the engine refused it.
        """
        for name in settings or {}:
            if not _NAME.fullmatch(name):
                raise EngineError(f"Code: 115. DB::Exception: Unknown setting '{name}'.", _UNKNOWN_SETTING)
        _check(sql)
        with self._lane(is_read(sql), dict(settings or {}), database) as lane:
            started_ns = time.monotonic_ns()
            _prepare(lane, dict(settings or {}), database)
            with handed_over(sql) as statement:
                answer = _run(lane, statement, default_format, dict(parameters or {}))
            return Result(
                answer.bytes() or b"",
                answer.storage_rows_read(),
                answer.storage_bytes_read(),
                time.monotonic_ns() - started_ns,
            )

    def close(self) -> None:
        """Close all connections; the last one ends the engine."""
        for lane in (*self._readers, self._writer):
            lane.connection.close()

    @contextmanager
    def _lane(self, read: bool, settings: dict[str, str], database: str) -> Iterator[_Lane]:
        if not read:
            with self._write_lock:
                yield self._writer
            return
        with self._freed:
            while not self._free:
                self._freed.wait()
            # A connection that is set as this query needs it saves a statement.
            fits = (
                i
                for i, lane in enumerate(self._free)
                if (lane.settings, lane.database) == (settings, database)
            )
            lane = self._free.pop(next(fits, 0))
        try:
            yield lane
        finally:
            with self._freed:
                self._free.append(lane)
                self._freed.notify()


def _prepare(lane: _Lane, settings: dict[str, str], database: str) -> None:
    """Give a lane the settings and the database of the statement that comes next."""
    if lane.database != database:
        _run(lane, b"USE `" + database.replace("`", "``").encode() + b"`", "TabSeparated", {})
        lane.database = database
    if lane.settings == settings:
        return
    assignments = [f"{name} = DEFAULT" for name in lane.settings if name not in settings]
    for name, value in settings.items():
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        assignments.append(f"{name} = '{escaped}'")
    # All names stay listed until this has worked: some may be set when it fails in the middle.
    wanted, lane.settings = settings, {**lane.settings, **settings}
    try:
        _run(lane, f"SET {', '.join(assignments)}".encode(), "TabSeparated", {})
    except EngineError:
        for name in list(lane.settings):
            try:
                _run(lane, f"SET {name} = DEFAULT".encode(), "TabSeparated", {})
            except EngineError:
                continue  # this is the one that doesn't exist
        lane.settings = {}
        raise
    lane.settings = wanted


def _run(lane: _Lane, sql: bytes, default_format: str, parameters: dict[str, str]) -> Any:
    try:
        return lane.connection.query(sql, default_format, params=parameters)
    except RuntimeError as error:
        # chdb puts what the failed statement had answered so far in front of its next answer.
        with suppress(RuntimeError):
            lane.connection.query("SELECT 1", "TabSeparated")
        message = str(error)
        code = _CODE.search(message)
        raise EngineError(message, int(code[1]) if code else 0) from error
