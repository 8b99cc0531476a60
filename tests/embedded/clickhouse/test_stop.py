"""A ClickHouse that is stopped and started in order loses nothing of what flows through it."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from confluent_kafka import Producer

from chaosp7.embedded import topics
from chaosp7.embedded.clickhouse.schema import EXCHANGES
from tests.waiting import ANSWER_S, PATIENCE_S, answers, until

STOPS = 4


def start(folder: Path, port: int, bootstrap: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "chaosp7.embedded.clickhouse", "--data-dir", str(folder / "data")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--http-port", str(port), "--kafka", bootstrap], stdout=log, stderr=log
        )
    until(lambda: answers(f"http://127.0.0.1:{port}/ping") or process.poll() is not None)
    assert process.poll() is None
    return process


def raw_rows(port: int) -> list[int]:
    counts = ", ".join(
        f"(SELECT uniqExact(partition, offset) FROM k2.raw_trades_{name})" for name in EXCHANGES
    )
    answer = requests.post(f"http://127.0.0.1:{port}/", data=f"SELECT {counts}", timeout=ANSWER_S)
    return [int(count) for count in answer.text.split()]


def test_a_stop_in_order_loses_nothing_of_what_flows(broker: Any, tmp_path: Path) -> None:
    names = [f"market.crypto.trades.{name}.raw" for name in EXCHANGES]
    topics.create(broker.bootstrap, names, 3)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    process = start(tmp_path, port, broker.bootstrap)
    producer, ended, sent = Producer({"bootstrap.servers": broker.bootstrap}), threading.Event(), 0

    def produce() -> None:
        nonlocal sent
        while not ended.wait(0.005):
            for name in names:
                producer.produce(name, b"{}", b"one")
            sent += 1
            producer.poll(0)
        producer.flush(PATIENCE_S)

    def look() -> None:
        """Keep it as busy as the samplers and the silver processor do."""
        sql = " UNION ALL ".join(
            f"SELECT symbol, max(sequence) FROM k2.raw_trades_{n} GROUP BY symbol" for n in EXCHANGES
        )
        while not ended.wait(0.02):
            with suppress(requests.RequestException):
                requests.post(f"http://127.0.0.1:{port}/", data=sql, timeout=ANSWER_S)

    threads = [threading.Thread(target=task) for task in (produce, look, look)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(STOPS):
            time.sleep(2)
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
            process = start(tmp_path, port, broker.bootstrap)
        ended.set()
        for thread in threads:
            thread.join()
        # A consumer group that wasn't left takes ten seconds to let go.
        deadline = time.monotonic() + PATIENCE_S
        while min(raw_rows(port)) < sent and time.monotonic() < deadline:
            time.sleep(0.2)
        assert raw_rows(port) == [sent] * len(names)
    finally:
        ended.set()
        process.kill()
        process.wait()
