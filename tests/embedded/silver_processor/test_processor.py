"""The real silver processor against the real server: every row once, whatever is killed when."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import clickhouse_connect
import pytest
import requests
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from chaosp7.embedded.clickhouse.schema import WINDOWS
from chaosp7.embedded.silver_processor import statements
from tests.clickhouse_process import ClickHouseProcess
from tests.embedded.trades import (
    Message,
    Trade,
    candles_of,
    emptied,
    gold,
    make_trades,
    messages_of,
    put,
    trades_in,
)

SEED = 20_260_202
PROCESSOR_KILLS = 20
SERVER_KILLS = 3
#: A server that stands still longer than the processor waits for it: its statements are in doubt.
SERVER_PAUSES = 2
TIMEOUT_S = 0.5


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def until(true: Callable[[], bool], timeout_s: float = 30, said: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"timed out {said()}"
        time.sleep(0.01)


class SilverProcess:
    """The processor as the platform starts it, but with a quick beat: more moments to be killed in."""

    def __init__(self, folder: Path, clickhouse_port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.log = folder / "silver-processor.log"
        self._command = [sys.executable, "-m", "chaosp7.embedded.silver_processor"]
        self._command += ["--clickhouse", f"127.0.0.1:{clickhouse_port}", "--http-port", str(self.port)]
        self._command += ["--poll-ms", "10", "--retry-ms", "50", "--timeout-s", str(TIMEOUT_S)]
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            # Ends with the test's server: without it there is nothing to do, and the log stays small.
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def metric(self, name: str) -> float:
        """Return a counter; 0 while it doesn't answer."""
        try:
            text = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text
        except requests.RequestException:
            return 0.0
        lines = (line for line in text.splitlines() if line.startswith(f"silver_processor_{name} "))
        return float(next(lines, "0").split()[-1])

    def healthy(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5).ok
        except requests.RequestException:
            return False


class Pipeline:
    """Server and processor, and who puts messages in front of them."""

    def __init__(self, server: ClickHouseProcess, folder: Path) -> None:
        self.server = server
        self.reader = server.client()
        self._client: Client | None = None
        self.processor = SilverProcess(folder, server.port)

    def put(self, messages: list[Message]) -> None:
        """Put messages at the end; again, as a Kafka consumer does, until that is confirmed."""
        deadline = time.monotonic() + 30
        while True:
            try:
                if self._client is None:
                    self._client = clickhouse_connect.get_client(
                        host="127.0.0.1", port=self.server.port, send_receive_timeout=10, query_retries=0
                    )
                return put(self._client, messages)
            except (ClickHouseError, OSError) as error:
                self._client = None
                if self.server.process.poll() is not None:
                    self.server.start()
                assert time.monotonic() < deadline, error

    def restart_what_is_dead(self) -> None:
        if self.server.process.poll() is not None:
            self.server.start()
        if self.processor.process.poll() is not None:
            self.processor.start()

    def number(self, sql: str) -> int:
        return int(self.reader.tsv(sql))

    def until_silver_has(self, rows: int) -> None:
        until(
            lambda: self.number("SELECT count() FROM k2.silver_trades") >= rows,
            said=lambda: self.processor.log.read_text()[-2000:],
        )

    def assert_once(self, trades: list[Trade], context: str) -> None:
        """Check that silver has these trades once each and gold the candles of what silver has."""
        for tier in ("bronze", "silver"):
            found = trades_in(self.reader, tier)
            assert len(found) == len(trades), f"{tier}, {context}"
            assert found == sorted(trades), f"{tier}, {context}"
        silver = trades_in(self.reader, "silver")
        for window_s in WINDOWS.values():
            until(
                lambda w=window_s: gold(self.reader, w) == candles_of(silver, w),
                10,
                lambda: f"gold, {context}",
            )

    def close(self) -> None:
        self.processor.close()
        self.reader.close()


@pytest.fixture
def pipeline(clickhouse_process: ClickHouseProcess, tmp_path: Path) -> Iterator[Pipeline]:
    pipeline = Pipeline(emptied(clickhouse_process), tmp_path)
    yield pipeline
    pipeline.close()
    if clickhouse_process.process.poll() is not None:
        clickhouse_process.start()


class Killer:
    """Kills one process at a moment, from a thread; what is dead is started again by the test's own."""

    def __init__(self, delay_s: float, act: Callable[[], None]) -> None:
        self._timer = threading.Timer(delay_s, act)
        self._timer.start()

    def done(self) -> bool:
        if self._timer.is_alive():
            return False
        self._timer.join()
        return True


def pause(server: ClickHouseProcess) -> None:
    """Let the server stand still until the processor has given up waiting at least once."""
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(TIMEOUT_S * 1.5)
    server.process.send_signal(signal.SIGCONT)


def test_every_row_is_in_silver_and_gold_once_over_any_kills(pipeline: Pipeline) -> None:
    random = Random(SEED)  # noqa: S311 - data
    server, processor = pipeline.server, pipeline.processor
    faults: list[tuple[str, Callable[[], None]]] = [
        *[("processor", processor.kill)] * PROCESSOR_KILLS,
        *[("server", server.kill)] * SERVER_KILLS,
        *[("pause", lambda: pause(server))] * SERVER_PAUSES,
    ]
    random.shuffle(faults)
    trades = make_trades(100_000, SEED, now_ms() - 30 * 86_400_000)
    messages = messages_of(trades)
    position = 0
    context = f"seed {SEED}"

    def put_some() -> None:
        nonlocal position
        size = random.randint(1, 60)
        # Often some of the ones before come again.
        begin = max(0, position - random.choice((0, 0, 0, 7, 40)))
        pipeline.put(messages[begin : position + size])
        position = min(position + size, len(messages))

    for name, act in faults:
        context += f", {name} at {position}"
        if random.random() < 0.75:
            # Most moments are ones of a processor at work, the others lie in its start.
            began = time.monotonic()
            while not processor.metric("batches_total"):
                put_some()
                assert time.monotonic() - began < 20, f"{context}: {processor.log.read_text()[-2000:]}"
        killer = Killer(random.uniform(0, 0.25), act)
        while not killer.done():
            put_some()
        pipeline.restart_what_is_dead()
    # All of the run's end is without faults.
    put_some()
    sent = trades[:position]
    pipeline.until_silver_has(len(sent))
    pipeline.assert_once(sent, context)
    batches = pipeline.number("SELECT uniqExact(batch) FROM k2.silver_trades")
    assert batches > 2 * len(faults), "the processor hardly worked between the faults"
    assert processor.process.poll() is None


def test_candles_that_a_kill_has_left_behind_are_completed(pipeline: Pipeline) -> None:
    trades = make_trades(300, SEED, now_ms() - 86_400_000)
    messages = messages_of(trades)
    pipeline.put(messages[:100])
    pipeline.until_silver_has(100)
    # What a server's kill between the two parts leaves: silver has the batch, gold hasn't.
    pipeline.server.run("DETACH TABLE k2.ohlcv_mv")
    try:
        pipeline.put(messages[100:200])
        pipeline.until_silver_has(200)
        pipeline.processor.kill()
    finally:
        pipeline.server.run("ATTACH TABLE k2.ohlcv_mv")
    assert gold(pipeline.reader, 86_400) == candles_of(trades[:100], 86_400)
    pipeline.processor.start()
    until(lambda: pipeline.processor.metric("gold_repairs_total") == 1)
    pipeline.put(messages[200:])
    pipeline.until_silver_has(300)
    pipeline.assert_once(trades, "after the repair")


def test_a_batch_that_comes_through_late_writes_nothing(pipeline: Pipeline) -> None:
    trades = make_trades(100, SEED, now_ms() - 86_400_000)
    messages = messages_of(trades)
    pipeline.put(messages[:50])
    pipeline.until_silver_has(50)
    newest = pipeline.number(statements.SILVER_BATCH)
    pipeline.put(messages[50:])
    pipeline.until_silver_has(100)
    spans = [
        statements.Span(exchange, partition, 0, 1 << 40)
        for exchange in statements.EXCHANGES
        for partition in range(3)
    ]
    late = statements.insert(spans, newest + 1, newest)
    pipeline.server.run(late)
    pipeline.assert_once(trades, "after the late batch")
    # It is the guard that kept it out: with the right number of the newest batch it writes.
    pipeline.processor.kill()
    newest = pipeline.number(statements.SILVER_BATCH)
    pipeline.server.run(statements.insert(spans, newest + 1, newest))
    assert pipeline.number("SELECT count() FROM k2.silver_trades") == 200


def test_numbers_and_times_beyond_all_bounds_do_not_stop_the_others(pipeline: Pipeline) -> None:
    good = make_trades(20, SEED, now_ms() - 86_400_000)
    messages = messages_of(good)
    odd = [
        ("binance", '{"e":"trade","s":"BTCUSDT","t":9,"p":"1","q":"1","T":%s,"E":1}', ["-5", "9223372036854775807", "0", '"x"']),
        ("kraken", '{"pair":"XBT/USD","misc":"9","price":"1","volume":"1","side":"s","timestamp":"%s"}',
         ["-5", "9" * 10 + "0", "9" * 25, "9" * 400, "1e300", "x", ""]),
        ("coinbase", '{"product_id":"BTC-USD","trade_id":"9","price":"1","size":"1","time":"%s"}',
         ["1900-01-01T00:00:00Z", "2299-01-01T00:00:00Z", "x"]),
        ("kraken", '{"pair":"XBT/USD","misc":"9","price":"%s","volume":"9","side":"s","timestamp":"1770000000"}',
         ["-1", "0", "x", "1e300"]),
    ]  # fmt: skip
    # A partition that the good ones don't use; they come behind.
    values = [(exchange, template % value) for exchange, template, texts in odd for value in texts]
    offsets: dict[str, int] = {}
    for exchange, value in values:
        offsets[exchange] = offsets.get(exchange, -1) + 1
        pipeline.put([Message(exchange, 9, offsets[exchange], value.encode())])
    pipeline.put(messages)
    pipeline.until_silver_has(len(values) + len(good))
    errors = (
        "SELECT validation_errors, count() FROM k2.silver_trades WHERE NOT is_valid GROUP BY 1 ORDER BY 1"
    )
    assert pipeline.reader.tsv(errors).decode().splitlines() == [
        "['invalid_price']\t4",
        "['invalid_timestamp']\t14",
    ]
    for window_s in WINDOWS.values():
        until(lambda w=window_s: gold(pipeline.reader, w) == candles_of(good, w), 10)


def test_it_says_that_it_is_not_healthy_while_the_server_is_down_and_goes_on_after(
    pipeline: Pipeline,
) -> None:
    trades = make_trades(100, SEED, now_ms() - 86_400_000)
    messages = messages_of(trades)
    pipeline.put(messages[:50])
    pipeline.until_silver_has(50)
    assert pipeline.processor.healthy()
    pipeline.server.kill()
    until(lambda: not pipeline.processor.healthy())
    pipeline.server.start()
    pipeline.put(messages[50:])
    until(pipeline.processor.healthy)
    pipeline.until_silver_has(100)
    pipeline.assert_once(trades, "after the server's return")


def test_sigterm_ends_it_with_exit_code_0(pipeline: Pipeline) -> None:
    until(pipeline.processor.healthy)
    pipeline.processor.process.terminate()
    assert pipeline.processor.process.wait(5) == 0
