"""An HTTP server on loopback that keeps what comes, and answers as a test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

__all__ = ["HANG", "Answer", "Receiver", "Request", "grafana", "receiver"]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at_s: float

    @property
    def json(self) -> dict[str, object]:
        found = msgspec.json.decode(self.body)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


#: It is never answered, and the connection stays.
HANG = Answer(status=0)


class Receiver:
    """Attributes: requests that have come so far, and how the next ones are answered."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.over = threading.Event()
        self.server: ThreadingHTTPServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def receiver(answer: Callable[[Request], Answer] = lambda _: Answer(), port: int = 0) -> Iterator[Receiver]:
    """Serve until the end of the block."""
    kept = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(
                self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body, time.time()
            )
            kept.requests.append(request)
            given = kept.answer(request)
            if given is HANG:
                kept.over.wait(120)
                self.close_connection = True
                return
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(given.body)

        do_PATCH = do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

    kept.server = Server(("127.0.0.1", port), Handler)
    serving = threading.Thread(target=kept.server.serve_forever, args=(0.02,))
    serving.start()
    try:
        yield kept
    finally:
        kept.over.set()
        kept.server.shutdown()
        serving.join()
        kept.server.server_close()


def grafana() -> Callable[[Request], Answer]:
    """Answer as Grafana does: each annotation gets an id."""
    made = iter(range(1, 1000))

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(body=b'{"message":"Annotation added","id":%d}' % next(made))
        return Answer(body=b'{"message":"Annotation patched"}')

    return answer
