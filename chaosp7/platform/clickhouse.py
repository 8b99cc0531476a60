"""How chaosp7 itself speaks to a platform's ClickHouse: clickhouse-connect with time limits."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from chaosp7.errors import ReaderError

__all__ = ["PASSWORD_ENV", "USER_ENV", "ClickHouse", "literal"]

#: As whom; unset: ClickHouse's default user, without a password.
USER_ENV = "CHAOSP7_CLICKHOUSE_USER"
PASSWORD_ENV = "CHAOSP7_CLICKHOUSE_PASSWORD"  # noqa: S105  # a name

# Its warnings repeat what is raised and told by us; whoever has set up logging gets them still.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


class ClickHouse:
    """A connection that is made when first needed and again after an error.

    One object serves one thread. It goes to the server directly, not through a link: a cut link
    must not blind whoever measures.

    Args:
        host: the server's host.
        port: its HTTP port.
        timeout_s: how long one query may take, seconds.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._client: Client | None = None

    def tsv(self, sql: str) -> bytes:
        """Return a query's answer in TabSeparated format.

        Raises:
            ReaderError: if the server doesn't answer, or answers with an error.
        """
        try:
            answer = self._connected().raw_query(sql, fmt="TabSeparated")
        except _ERRORS as error:
            self._drop()
            raise ReaderError(f"ClickHouse: {_first_line(error)}") from error
        if not isinstance(answer, bytes):
            raise ReaderError(f"ClickHouse: not an answer in bytes: {type(answer).__name__}")
        return answer

    def rows(self, sql: str) -> list[list[str]]:
        """Return a query's answer row by row, each value as text, and no NULL: cheap for a few rows.

        Raises:
            ReaderError: if the server doesn't answer, or answers with an error.
        """
        # Not by `splitlines`, to which a symbol may hold the end of a line.
        lines = self.tsv(sql).decode("utf-8", "replace").split("\n")[:-1]
        return [[_unescaped(value) for value in line.split("\t")] for line in lines]

    def columns(self, sql: str, count: int) -> list[Any]:
        """Return a query's answer as one sequence per column.

        Args:
            sql: the query.
            count: how many columns it has: an answer without rows doesn't say it itself.

        Raises:
            ReaderError: if the server doesn't answer, or answers with an error or other columns.
        """
        try:
            columns = list(self._connected().query(sql).result_columns)
        except _ERRORS as error:
            self._drop()
            raise ReaderError(f"ClickHouse: {_first_line(error)}") from error
        if len(columns) not in {0, count}:
            raise ReaderError(f"ClickHouse: {len(columns)} columns came instead of {count}")
        return columns or [[] for _ in range(count)]

    def close(self) -> None:
        """Close the connection; the next query makes a new one."""
        self._drop()

    def _connected(self) -> Client:
        if self._client is None:
            self._client = clickhouse_connect.get_client(
                host=self._host,
                port=self._port,
                username=os.environ.get(USER_ENV),
                password=os.environ.get(PASSWORD_ENV, ""),
                connect_timeout=self._timeout_s,
                send_receive_timeout=self._timeout_s,
                query_retries=0,
                autogenerate_session_id=False,
            )
        return self._client

    def _drop(self) -> None:
        if self._client is not None:
            # A broken connection may fail to close: it is gone either way.
            with contextlib.suppress(*_ERRORS):
                self._client.close()
            self._client = None


# urllib3's errors pass through clickhouse-connect in some places.
_ERRORS: tuple[type[Exception], ...] = (ClickHouseError, OSError, HTTPError)


#: What a character behind a backslash stands for in TabSeparated format; any other one for itself.
_ESCAPED: Final = {"b": "\b", "f": "\f", "r": "\r", "n": "\n", "t": "\t", "0": "\0"}


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), value)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def literal(text: str) -> str:
    """Return a string as a ClickHouse literal, quoted and escaped."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
