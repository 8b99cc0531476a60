"""The real silver processor against the real server: every row once, whatever is killed when."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import clickhouse_connect
import pytest
import requests
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

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
from tests.process import Process
from tests.waiting import ANSWER_S, PATIENCE_S, answers, until

SEED = 20_260_202
PROCESSOR_KILLS = 20
SERVER_KILLS = 3
#: A server that stands still longer than the processor waits for it: its statements are in doubt.
SERVER_PAUSES = 2
TIMEOUT_S = 0.5


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def spans_from(next_offsets: Mapping[tuple[str, int], int]) -> list[statements.Span]:
    """Return all that bronze has from some offsets on; where there is none, from the beginning."""
    return [
        statements.Span(exchange, partition, next_offsets.get((exchange, partition), 0), 1 << 40)
        for exchange in statements.EXCHANGES
        for partition in range(3)
    ]


class SilverProcess(Process):
    """The processor as the platform starts it, but with a quick beat: more moments to be killed in."""

    def __init__(self, folder: Path, clickhouse_port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        command = [sys.executable, "-m", "chaosp7.embedded.silver_processor"]
        command += ["--clickhouse", f"127.0.0.1:{clickhouse_port}", "--http-port", str(self.port)]
        command += ["--poll-ms", "10", "--retry-ms", "50", "--timeout-s", str(TIMEOUT_S)]
        super().__init__(command, folder / "silver-processor.log")

    def metric(self, name: str) -> float:
        """Return a counter; 0 while it doesn't answer."""
        try:
            text = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=ANSWER_S).text
        except requests.RequestException:
            return 0.0
        lines = (line for line in text.splitlines() if line.startswith(f"silver_processor_{name} "))
        return float(next(lines, "0").split()[-1])

    def healthy(self) -> bool:
        return answers(f"http://127.0.0.1:{self.port}/healthz")


class Pipeline:
    """Server and processor, and who puts messages in front of them."""

    def __init__(self, server: ClickHouseProcess, folder: Path) -> None:
        self.server = server
        self.reader = server.client()
        self._client: Client | None = None
        self.processor = SilverProcess(folder, server.port)

    def put(self, messages: list[Message]) -> None:
        """Put messages in front of the views."""
        if self._client is None:
            self._client = clickhouse_connect.get_client(
                host="127.0.0.1", port=self.server.port, send_receive_timeout=ANSWER_S, query_retries=0
            )
        put(self._client, messages)

    def try_to_put(self, messages: list[Message]) -> bool:
        """Put messages, or say that it is in doubt whether they, or which of them, are there."""
        try:
            self.put(messages)
        except (ClickHouseError, OSError, HTTPError):
            self._client = None
            return False
        return True

    def number(self, sql: str) -> int:
        return int(self.reader.tsv(sql))

    def until_silver_has(self, rows: int) -> None:
        until(
            lambda: self.number("SELECT count() FROM k2.silver_trades") >= rows,
            said=lambda: self.processor.log.read_text()[-2000:],
        )
        # Gold's part comes behind silver's in the same statement; the next one that writes waits for it.
        self.server.run("SYSTEM FLUSH LOGS")

    def next_batch(self) -> str:
        """Return the statement by which the processor would write what silver lacks."""
        next_offsets = {
            (exchange, int(partition)): int(offset)
            for exchange, partition, offset in (
                line.split("\t") for line in self.reader.tsv(statements.CURSORS).decode().splitlines()
            )
        }
        newest = self.number(statements.SILVER_BATCH)
        return statements.insert(spans_from(next_offsets), newest + 1, newest)

    def assert_once(self, trades: list[Trade], context: str) -> None:
        """Check that silver has these trades once each and gold the candles of what silver has."""
        for tier in ("bronze", "silver"):
            found = trades_in(self.reader, tier)
            assert len(found) == len(trades), f"{tier}, {context}"
            assert found == sorted(trades), f"{tier}, {context}"
        silver = trades_in(self.reader, "silver")
        for window_s in WINDOWS.values():
            assert gold(self.reader, window_s) == candles_of(silver, window_s), f"gold, {context}"

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


@dataclass(frozen=True)
class Fault:
    """What happens to one process; the thread it begins in only sends signals."""

    victim: ClickHouseProcess | SilverProcess
    kill: bool = True

    def __str__(self) -> str:
        return f"{type(self.victim).__name__} {'killed' if self.kill else 'paused'}"

    def begin(self) -> None:
        process = self.victim.process
        process.send_signal(signal.SIGKILL if self.kill else signal.SIGSTOP)
        if not self.kill:
            # As long as it takes the processor to give up waiting.
            time.sleep(TIMEOUT_S * 1.5)
            process.send_signal(signal.SIGCONT)

    def heal(self) -> None:
        if self.kill:
            self.victim.process.wait()
            self.victim.start()


def test_every_row_is_in_silver_and_gold_once_over_any_kills(pipeline: Pipeline) -> None:
    random = Random(SEED)  # noqa: S311 - data
    server, processor = pipeline.server, pipeline.processor
    faults = [
        *[Fault(processor)] * PROCESSOR_KILLS,
        *[Fault(server)] * SERVER_KILLS,
        *[Fault(server, kill=False)] * SERVER_PAUSES,
    ]
    random.shuffle(faults)
    trades = make_trades(30_000, SEED, now_ms() - 60 * 86_400_000)
    messages = messages_of(trades)
    context = f"seed {SEED}"
    confirmed = tried = waits = 0

    def put_some() -> None:
        """Put the next ones, and again those in doubt and often some more, as a Kafka consumer does."""
        nonlocal confirmed, tried
        begin = max(0, confirmed - random.choice((0, 0, 0, 7, 40)))
        tried = max(tried, confirmed + random.randint(1, 60))
        if pipeline.try_to_put(messages[begin:tried]):
            confirmed = tried
        time.sleep(0.05)

    for fault in faults:
        context += f", {fault} at {confirmed}"
        if random.random() < 0.6:
            # Most moments are ones of a processor at work, the others lie in its start.
            began, batches = time.monotonic(), processor.metric("batches_total")
            waits += 1
            while processor.metric("batches_total") <= batches:
                put_some()
                assert time.monotonic() - began < PATIENCE_S, (
                    f"{context}: {processor.log.read_text()[-2000:]}"
                )
        timer = threading.Timer(random.uniform(0, 0.15), fault.begin)
        timer.start()
        while timer.is_alive():
            put_some()
        timer.join()
        fault.heal()
    while confirmed < tried:
        put_some()
    sent = trades[:confirmed]
    pipeline.until_silver_has(len(sent))
    pipeline.assert_once(sent, context)
    batches = pipeline.number("SELECT uniqExact(batch) FROM k2.silver_trades")
    assert batches > waits > len(faults) / 3, "the processor hardly worked between the faults"


def test_candles_that_a_kill_has_left_behind_are_completed(pipeline: Pipeline) -> None:
    trades = make_trades(300, SEED, now_ms() - 86_400_000)
    messages = messages_of(trades)
    pipeline.put(messages[:100])
    pipeline.until_silver_has(100)
    pipeline.processor.kill()
    pipeline.put(messages[100:200])
    # What a server's kill between the two parts leaves: silver has the batch, gold hasn't. Its statement comes
    # from here: a processor that had waited for it in vain would complete the candles itself.
    pipeline.server.run("DETACH TABLE k2.ohlcv_mv")
    try:
        pipeline.server.run(pipeline.next_batch())
    finally:
        pipeline.server.run("ATTACH TABLE k2.ohlcv_mv")
    pipeline.until_silver_has(200)
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
    spans = spans_from({})
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
        assert gold(pipeline.reader, window_s) == candles_of(good, window_s)


def test_it_says_that_it_is_not_healthy_while_the_server_is_down_and_goes_on_after(
    pipeline: Pipeline,
) -> None:
    trades = make_trades(100, SEED, now_ms() - 86_400_000)
    messages = messages_of(trades)
    pipeline.put(messages[:50])
    pipeline.until_silver_has(50)
    # The cycle that wrote these rows may still be at the candles, and be the first one.
    until(pipeline.processor.healthy)
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
    assert pipeline.processor.process.wait(PATIENCE_S) == 0
