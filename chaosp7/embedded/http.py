"""The small HTTP endpoint that each service has on the loopback interface: health, metrics, control."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from chaosp7.errors import PlatformError, PortInUseError
from chaosp7.platform.ports import listen_host

__all__ = [
    "Handler",
    "HttpEndpoint",
    "Metric",
    "Request",
    "Response",
    "error_response",
    "json_response",
    "metrics_response",
    "on_loop",
]

T = TypeVar("T")

BODY_BYTES_MAX: Final = 1 << 20
IDLE_TIMEOUT_S: Final = 10.0
LOOP_TIMEOUT_S: Final = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `query` holds the last value of each parameter."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes

    def json(self, kind: type[T]) -> T:
        """Decode the body.

        Args:
            kind: type to decode as and to check against.

        Raises:
            msgspec.DecodeError: the body isn't such a thing; the endpoint answers 400.
        """
        return msgspec.json.decode(self.body, type=kind)


@dataclass(frozen=True, slots=True)
class Response:
    """One response."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Handler = Callable[[Request], Response]


class Metric(NamedTuple):
    """One sample for Prometheus; samples of one name follow each other."""

    name: str
    value: float
    labels: Mapping[str, str] = {}
    kind: str = "gauge"
    help: str = ""


def json_response(value: object, status: int = 200) -> Response:
    """Answer with a JSON document."""
    return Response(status, msgspec.json.encode(value) + b"\n", "application/json")


def error_response(message: str, status: int) -> Response:
    """Answer with ``{"error": message}``."""
    return json_response({"error": message}, status)


def metrics_response(metrics: Iterable[Metric]) -> Response:
    """Answer in Prometheus' text format."""
    lines: list[str] = []
    last = ""
    for metric in metrics:
        if metric.name != last:
            last = metric.name
            if metric.help:
                lines.append(f"# HELP {metric.name} {metric.help}")
            lines.append(f"# TYPE {metric.name} {metric.kind}")
        labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in metric.labels.items())
        lines.append(
            f"{metric.name}{{{labels}}} {metric.value}" if labels else f"{metric.name} {metric.value}"
        )
    return Response(200, "\n".join([*lines, ""]).encode(), "text/plain; version=0.0.4; charset=utf-8")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def on_loop(loop: asyncio.AbstractEventLoop, handler: Handler, timeout_s: float = LOOP_TIMEOUT_S) -> Handler:
    """Make a handler run on an event loop, where the service's state is.

    It answers 503 when the loop doesn't get to it in time: a service whose loop hangs is not
    healthy, though its HTTP threads are.

    Args:
        loop: the running loop.
        handler: must not block.
        timeout_s: how long the loop has, seconds.
    """

    async def call(request: Request) -> Response:
        return handler(request)

    def bridged(request: Request) -> Response:
        try:
            future = asyncio.run_coroutine_threadsafe(call(request), loop)
        except RuntimeError:
            return error_response("shutting down", 503)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            return error_response(f"the event loop didn't answer within {timeout_s:g} s", 503)

    return bridged


class HttpEndpoint:
    """Serves routes on the loopback interface from threads of its own.

    Args:
        port: TCP port; 0 takes a free one.
        routes: handler per (method, path); exceptions in one become 500, a body that can't be
            decoded 400.
        fallback: handler of every other request; without one they get 404 or 405.

    Raises:
        PortInUseError: somebody else has the port.
        PlatformError: the port can't be bound for another reason.
    """

    def __init__(
        self, port: int, routes: Mapping[tuple[str, str], Handler], fallback: Handler | None = None
    ) -> None:
        try:
            self._server = _Server(port, dict(routes), fallback)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(f"HTTP port {port} is taken") from error
            raise PlatformError(f"HTTP port {port} can't be bound: {error.strerror}") from error
        self.port: int = self._server.server_address[1]
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to answer."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop and let go of the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection must not hold up a SIGTERM
    request_queue_size = 64

    def __init__(self, port: int, routes: dict[tuple[str, str], Handler], fallback: Handler | None) -> None:
        self.routes = routes
        self.fallback = fallback
        super().__init__((listen_host(), port), _RequestHandler)

    def server_bind(self) -> None:
        # HTTPServer's own looks the host name up, which can take seconds without a resolver.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = listen_host(), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to tell."""


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "chaosp7"
    timeout = IDLE_TIMEOUT_S
    wbufsize = -1  # head and body in one segment
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        response = self._response(url.path, url.query)
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _response(self, path: str, query: str) -> Response:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= BODY_BYTES_MAX:
            self.close_connection = True  # its body is still in the stream
            return error_response(f"a body must have 0 to {BODY_BYTES_MAX} bytes", 413)
        body = self.rfile.read(length)
        handler = self.server.routes.get((self.command, path), self.server.fallback)
        if handler is None:
            if any(route == path for _, route in self.server.routes):
                return error_response(f"{path} doesn't take {self.command}", 405)
            return error_response(f"there is no {path}", 404)
        parameters = {key: values[-1] for key, values in parse_qs(query).items()}
        try:
            return handler(Request(self.command, path, parameters, body))
        except msgspec.DecodeError as error:
            return error_response(f"the body can't be used: {error}", 400)
        except Exception as error:  # noqa: BLE001 - whatever a route raises is an answer
            _log.exception("%s %s failed", self.command, path)
            return error_response(f"{type(error).__name__}: {error}", 500)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Requests come ten times a second: they aren't told."""
