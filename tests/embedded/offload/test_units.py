"""The offload's small parts: waits, crash points, answers that break off, what a table says of itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.embedded.offload.crash_points import STEPS, CrashPoints
from chaosp7.embedded.offload.retry import Backoff
from chaosp7.embedded.offload.source import Source, SourceError
from chaosp7.embedded.offload.statistics import Statistics
from chaosp7.errors import ConfigError


@given(st.integers(1, 10_000))
def test_waits_double_up_to_the_longest(failures: int) -> None:
    backoff = Backoff(0.25, 4.0)
    longest_s = min(4.0, 0.25 * 2 ** min(failures - 1, 10))
    assert longest_s / 2 <= backoff.wait_s(failures) <= longest_s


def test_only_the_named_step_is_died_at() -> None:
    died: list[str] = []
    points = CrashPoints(lambda: died.append("x"))
    points.passes("after-read")
    points.arm("after-write")
    for step in STEPS:
        points.passes(step)
    assert died == ["x"]
    with pytest.raises(ConfigError, match="no step 'later'"):
        points.arm("later")


def test_failures_in_a_row_end_with_a_success() -> None:
    statistics = Statistics()
    assert statistics.age_s() == float("inf")
    statistics.failed("one")
    statistics.failed("two")
    assert (statistics.failures, statistics.consecutive_failures, statistics.last_error) == (2, 2, "two")
    statistics.succeeded()
    assert (statistics.failures, statistics.consecutive_failures) == (2, 0)
    names = {metric.name for metric in statistics.metrics()}
    assert {"offload_failures_total", "offload_consecutive_failures", "offload_retries_total"} <= names


class _Answers(HTTPServer):
    """Stands in for a ClickHouse whose answers break off: the real one does so only when it is killed."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Answers

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = self.server.answers.pop(0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[_Answers]:
    server = _Answers()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _stream(blocks: int, said: int) -> list[bytes]:
    """Return an Arrow stream's beginning, and each block's end."""
    schema = pa.schema([("last_batch", pa.int64()), ("_rows", pa.uint64())])
    sink = pa.BufferOutputStream()
    pieces = []
    with pa.ipc.new_stream(sink, schema) as writer:
        for _ in range(blocks):
            writer.write_batch(pa.record_batch([pa.array([1, 2]), pa.array([said] * 2, pa.uint64())], schema))
            pieces.append(sink.tell())
    whole = sink.getvalue().to_pybytes()
    return [whole[:end] for end in pieces] + [whole]


def test_an_answer_that_ends_between_two_blocks_is_not_taken_for_a_short_one(server: _Answers) -> None:
    source = Source(f"127.0.0.1:{server.server_address[1]}")
    first, _, whole = _stream(2, 4)
    # Arrow itself reads it without a word.
    assert pa.ipc.open_stream(first).read_all().num_rows == 2
    server.answers = [first]
    with pytest.raises(SourceError, match="2 rows came instead of 4"):
        source.gold(0)
    server.answers = [whole]
    increment = source.gold(0)
    assert increment is not None
    assert (increment.to, increment.rows.num_rows, increment.rows.column_names) == (2, 4, ["last_batch"])


def test_an_answer_that_ends_within_a_block_is_an_error(server: _Answers) -> None:
    source = Source(f"127.0.0.1:{server.server_address[1]}")
    server.answers = [_stream(1, 2)[0][:-9]]
    with pytest.raises((SourceError, OSError)):
        source.gold(0)


def test_fewer_rows_of_silver_than_were_counted_are_an_error(server: _Answers) -> None:
    source = Source(f"127.0.0.1:{server.server_address[1]}")
    server.answers = [b"1\t3\n2\t4\n", _stream(1, 2)[-1]]
    with pytest.raises(SourceError, match="2 rows of silver came instead of 7"):
        source.silver(0)
