"""A relay in front of a catalog that does to one commit what a network can do to it."""

from __future__ import annotations

import http
import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

__all__ = ["Relay"]


class Relay:
    """Passes requests on; the next commit of a table may be treated otherwise.

    Args:
        upstream: the catalog, ``host:port``.
        told: properties that it makes the catalog tell its clients, the strongest way there is.
    """

    def __init__(self, upstream: str, told: dict[str, str] | None = None) -> None:
        self._upstream = upstream
        self._told = told or {}
        self._fate = ""
        self._table = ""
        self._lock = threading.Lock()
        self.released = threading.Event()
        #: Status of the catalog's answer that the client never got.
        self.unheard: list[int] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                relay.pass_on(self)

            do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_commit(self, table: str, fate: Literal["lost", "late"]) -> None:
        """`lost`: carried out, but unanswered. `late`: held until it is released, long given up by then."""
        self._table, self._fate = table, fate

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fate = ""
        with self._lock:
            if handler.command == "POST" and handler.path.endswith(f"/tables/{self._table}"):
                fate, self._fate = self._fate, ""
        if fate == "late":
            self.released.wait(60)
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        connection.request(handler.command, handler.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if fate:
            self.unheard.append(answer.status)
            handler.close_connection = True
            return
        if self._told and handler.command != "HEAD" and answer.status == http.HTTPStatus.OK:
            said = json.loads(content)
            for key in {"overrides", "config"} & said.keys():
                said[key] |= self._told
            content = json.dumps(said).encode()
        handler.send_response(answer.status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
