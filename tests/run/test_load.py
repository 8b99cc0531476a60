"""What the client of the exchange's control says when it isn't understood."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chaosp7.errors import MeasurementError
from chaosp7.run.load import Load


class Older(BaseHTTPRequestHandler):
    """An exchange simulator that knows nothing."""

    def do_GET(self) -> None:
        body = b'{"error": "no such path"}'
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def older() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Older) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_simulator_that_lacks_what_is_asked_is_of_another_version(older: str) -> None:
    with pytest.raises(MeasurementError, match="of another version: take the platform down and up again"):
        Load(older, rate_per_s=1, seed=1).next_sequences()
