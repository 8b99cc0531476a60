"""A small ClickHouse HTTP client with hard time limits and no retries of its own.

The processor must know after each statement whether it was carried out, refused, or in doubt: a
client that retries by itself hides just that.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from urllib.parse import urlencode

from chaosp7.errors import ChaosP7Error

__all__ = ["ClickHouseClient", "InDoubtError", "RefusedError"]


class RefusedError(ChaosP7Error):
    """ClickHouse answered with an error; a statement with dependent views may be half done."""


class InDoubtError(ChaosP7Error):
    """No answer: the statement may have been carried out, may be later, or never."""


class ClickHouseClient:
    """One connection, made when needed; serves one thread.

    Args:
        host: the server's host.
        port: its HTTP port.
        connect_timeout_s: limit for the connection, seconds.
        read_timeout_s: limit for each answer, seconds.
    """

    def __init__(
        self, host: str, port: int, connect_timeout_s: float = 1.0, read_timeout_s: float = 5.0
    ) -> None:
        self._host = host
        self._port = port
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def run(self, sql: str, settings: Mapping[str, str] | None = None) -> list[list[str]]:
        """Run one statement.

        Args:
            sql: the statement.
            settings: ClickHouse settings for it.

        Returns:
            The answer's rows, fields in TabSeparated form.

        Raises:
            RefusedError: ClickHouse refused it.
            InDoubtError: there was no answer, or not all of it.
        """
        try:
            connection = self._connected()
            connection.request("POST", f"/?{urlencode(settings or {})}", sql.encode())
            response = connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise InDoubtError(f"{type(error).__name__}: {error}") from error
        if response.status != http.client.OK or response.headers.get("X-ClickHouse-Exception-Code"):
            raise RefusedError(body.strip()[:1000])
        return [line.split("\t") for line in body.splitlines()]

    def close(self) -> None:
        """Close the connection; the next statement makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._connect_timeout_s)
            connection.connect()
            connection.sock.settimeout(self._read_timeout_s)
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = connection
        return self._connection
