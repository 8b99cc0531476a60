"""An HTTP server that refuses everything, as an overloaded one does."""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from chaosp7.platform.ports import HOST

__all__ = ["MARK", "serve"]

_TAKE_BYTES: Final = 1 << 20

#: In each answer, so that whoever asks knows who has answered.
MARK: Final = "X-Chaosp7-Refusal"


def serve(port: int, status: int) -> None:
    """Answer every request on a port of loopback with one status, in a thread of its own, from now on.

    S3's clients find their own words in the body: ``SlowDown``.

    Args:
        port: the TCP port.
        status: the HTTP status.

    Raises:
        OSError: if the port can't be had.
    """
    reason = HTTPStatus(status).phrase
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>SlowDown</Code><Message>{reason}</Message></Error>"
    ).encode()

    class Refuse(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            # What is sent is taken first: else it would end in a reset, which is another fault.
            left = int(self.headers.get("Content-Length") or 0)
            while left > 0 and (taken := self.rfile.read(min(left, _TAKE_BYTES))):
                left -= len(taken)
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.send_header(MARK, "1")
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, port), Refuse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
