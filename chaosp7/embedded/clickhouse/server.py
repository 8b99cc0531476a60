"""ClickHouse's HTTP protocol, as far as ``clickhouse-connect`` and ``curl`` use it.

Not there: sessions with state (temporary tables, SET that lasts), external data, users, and
compressed answers (a client that offers to decompress is answered in the clear, as it must
accept). ``/ping`` and ``/metrics`` never wait for the engine.
"""

from __future__ import annotations

import email
import json
import logging
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from chaosp7.embedded.clickhouse.compression import BadBodyError, UnknownEncodingError, decompressed
from chaosp7.embedded.clickhouse.engine import Engine, EngineError, is_read
from chaosp7.embedded.http import Metric, metrics_response
from chaosp7.errors import ChaosP7Error
from chaosp7.platform.ports import listen_host

__all__ = ["Server"]

_log = logging.getLogger(__name__)

#: Parameters of the protocol; every other one is a setting of the query.
_PROTOCOL: Final = frozenset(
    {
        "buffer_size", "cancel_http_readonly_queries_on_client_close", "client_protocol_version",
        "close_session", "compress", "database", "decompress", "default_format",
        "enable_http_compression", "http_headers_progress_interval_ms", "http_native_compression_disable_checksumming_on_decompress",
        "http_zlib_compression_level", "password", "query", "query_id", "quota_key", "role",
        "send_progress_in_http_headers", "session_check", "session_id", "session_timeout",
        "stacktrace", "user", "wait_end_of_query",
    }
)  # fmt: skip
_STATUS: Final = {27: 400, 36: 400, 46: 404, 47: 404, 48: 501, 60: 404, 62: 400, 81: 404, 115: 400, 456: 400}
_OK: Final = 200
_BAD_ARGUMENTS: Final = 36
_NOT_IMPLEMENTED: Final = 48
_BODY_BYTES_MAX: Final = 1 << 30


class _RequestError(ChaosP7Error):
    """A request that can't be carried out, with ClickHouse's code for it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message}.")
        self.code = code


@dataclass(slots=True)
class _Counters:
    """What was done so far; written under `lock`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    running: int = 0
    queries: dict[str, int] = field(default_factory=lambda: {"read": 0, "write": 0})
    seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "write": 0.0})
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a query came to."""

    kind: str
    status: int
    body: bytes
    headers: list[tuple[str, str]]


class Server(ThreadingHTTPServer):
    """Serves an engine on the loopback interface; a thread per connection.

    Args:
        port: TCP port; 0 takes a free one.
        engine: answers the queries.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, engine: Engine) -> None:
        self.engine = engine
        self.counters = _Counters()
        super().__init__((listen_host(), port), _Handler)

    def server_bind(self) -> None:
        """Bind without the resolver, which HTTPServer's own asks for the host's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = listen_host(), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to tell."""

    def idle(self, timeout_s: float) -> bool:
        """Wait until no query runs.

        Args:
            timeout_s: at most so long, seconds.

        Returns:
            False if some still run.
        """
        deadline = time.monotonic() + timeout_s
        while self.counters.running and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self.counters.running

    def metrics(self) -> bytes:
        """Return what was done so far, in Prometheus' text format."""
        counters = self.counters
        with counters.lock:
            samples = [Metric("clickhouse_queries_running", counters.running)]
            samples += [
                Metric("clickhouse_queries_total", n, {"kind": kind}, "counter")
                for kind, n in counters.queries.items()
            ]
            samples += [
                Metric("clickhouse_query_seconds_total", s, {"kind": kind}, "counter")
                for kind, s in counters.seconds.items()
            ]
            samples.append(Metric("clickhouse_queries_failed_total", counters.failed, kind="counter"))
        return metrics_response(samples).body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ClickHouse"
    wbufsize = -1  # head and body in one segment
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        body = self._body()
        if url.path in {"/ping", "/replicas_status"} or (
            url.path == "/" and not body and "query" not in parameters
        ):
            self._send(_OK, b"Ok.\n")
        elif url.path == "/metrics":
            self._send(_OK, self.server.metrics())
        elif url.path != "/":
            self._send(404, f"There is no handle {url.path}\n".encode())
        else:
            self._query(parameters, body)

    def _query(self, parameters: dict[str, str], body: bytes) -> None:
        query_id = parameters.get("query_id") or str(uuid.uuid4())
        counters, started = self.server.counters, time.monotonic()
        with counters.lock:
            counters.running += 1
        try:
            answer = self._carried_out(parameters, body)
            # Before it is sent: whoever has the answer finds it counted.
            with counters.lock:
                counters.queries[answer.kind] += 1
                counters.seconds[answer.kind] += time.monotonic() - started
                counters.failed += answer.status != _OK
            self._send(answer.status, answer.body, ("X-ClickHouse-Query-Id", query_id), *answer.headers)
        finally:
            with counters.lock:
                counters.running -= 1

    def _carried_out(self, parameters: dict[str, str], body: bytes) -> _Answer:
        engine, kind = self.server.engine, "read"
        try:
            sql, parameters = self._statement(parameters, body)
            kind = "read" if is_read(sql) else "write"
            result_format = (
                parameters.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
            )
            result = engine.execute(
                sql,
                result_format,
                {k: v for k, v in parameters.items() if k not in _PROTOCOL and not k.startswith("param_")},
                {k[6:]: v for k, v in parameters.items() if k.startswith("param_")},
                parameters.get("database") or self.headers.get("X-ClickHouse-Database") or "default",
            )
        except (EngineError, _RequestError) as error:
            text = f"{error} (version {engine.version})\n".encode()
            code = ("X-ClickHouse-Exception-Code", str(error.code))
            return _Answer(kind, _STATUS.get(error.code, 500), text, [code])
        summary = {
            "read_rows": str(result.read_rows),
            "read_bytes": str(result.read_bytes),
            "elapsed_ns": str(result.elapsed_ns),
        }
        headers = [
            ("X-ClickHouse-Timezone", engine.time_zone),
            ("X-ClickHouse-Summary", json.dumps(summary)),
        ]
        if kind == "read":
            headers.append(("X-ClickHouse-Format", result_format))
        return _Answer(kind, _OK, result.data, headers)

    def _statement(self, parameters: dict[str, str], body: bytes) -> tuple[bytes, dict[str, str]]:
        """Return the statement with its data, and the parameters with those of a form."""
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            parameters = {**parameters, **_form(content_type, body)}
            body = b""
        elif encoding := self.headers.get("Content-Encoding", ""):
            try:
                body = decompressed(body, encoding)
            except BadBodyError as error:
                raise _RequestError(str(error), _BAD_ARGUMENTS) from error
            except UnknownEncodingError as error:
                raise _RequestError(str(error), _NOT_IMPLEMENTED) from error
        query = parameters.get("query", "").encode()
        sql = query + b"\n" + body if query and body else query or body
        if not sql.strip():
            raise _RequestError("Empty query", 62)
        return sql, parameters

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = int(self.headers.get("Content-Length") or 0)
        return self._exactly(length) if length else b""

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(64).split(b";")[0], 16):
            parts.append(self._exactly(size))
            self.rfile.readline(8)
        while self.rfile.readline(1024).strip():
            pass  # trailers
        return b"".join(parts)

    def _exactly(self, length: int) -> bytes:
        data = self.rfile.read(length) if 0 <= length <= _BODY_BYTES_MAX else b""
        if len(data) != length:
            # The client died in the middle: half an INSERT must not be carried out.
            raise ConnectionResetError("the request's body isn't whole")
        return data

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Requests come many times a second: they aren't told."""


def _form(content_type: str, body: bytes) -> dict[str, str]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body)
    fields: dict[str, str] = {}
    for part in message.get_payload():
        if not isinstance(part, Message):
            continue
        name = part.get_param("name", header="Content-Disposition")
        payload = part.get_payload(decode=True)
        if part.get_filename() or not isinstance(name, str) or not isinstance(payload, bytes):
            raise _RequestError("External data isn't supported by the embedded server", _NOT_IMPLEMENTED)
        fields[name] = payload.decode()
    return fields
