"""The road from exchange to topic, with the real processes, and its account."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from chaosp7.account.account import account_tier
from chaosp7.account.acks import read_acks
from chaosp7.account.attribution import attribute
from chaosp7.account.classes import TierAccount
from chaosp7.account.ledger import Ledger
from chaosp7.account.readers.topic import end_offsets
from chaosp7.account.readers.topic_account import TopicReader
from chaosp7.account.sent import RunRecords, expected
from chaosp7.embedded import topics
from chaosp7.errors import MeasurementError
from chaosp7.run.load import Load
from tests.waiting import ANSWER_S, PATIENCE_S, answers, until

EXCHANGES = {"binance": "BTC/USDT,ETH/USDT", "kraken": "BTC/USD,ETH/USD", "coinbase": "BTC/USD,ETH/USD"}
MESSAGES = 1500


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def healthy(port: int) -> bool:
    return answers(f"http://127.0.0.1:{port}/healthz")


class Road:
    """Exchange simulator and feed handlers in front of a real broker."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        self.topics = {name: f"{folder.name}.{name}.raw" for name in EXCHANGES}
        topics.create(bootstrap, list(self.topics.values()), 3)
        self.ports = {name: free_port() for name in EXCHANGES}
        self.control_port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        command = ["exchange", "--control-port", str(self.control_port), "--state-dir", str(folder / "state")]
        (folder / "state").mkdir()
        for name, symbols in EXCHANGES.items():
            command += ["--feed", f"{name}={symbols}", "--listen", f"{name}={self.ports[name]}"]
        self.start("exchange", command, self.control_port)
        self.handler_ports = {name: free_port() for name in EXCHANGES}
        for name in EXCHANGES:
            self.start_handler(name)
        self.load = Load(f"http://127.0.0.1:{self.control_port}", rate_per_s=500, seed=7)

    def start_handler(self, name: str) -> None:
        command = ["feed_handler", "--exchange", name, "--symbols", EXCHANGES[name]]
        command += ["--ws-url", f"ws://127.0.0.1:{self.ports[name]}/ws", "--brokers", self.bootstrap]
        command += ["--topic", self.topics[name], "--acks", str(self.folder / f"{name}.acks")]
        self.start(name, [*command, "--http-port", str(self.handler_ports[name])], self.handler_ports[name])

    def start(self, name: str, command: list[str], port: int) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"chaosp7.embedded.{command[0]}", *command[1:]], stdout=log, stderr=log
            )
        until(lambda: healthy(port))

    def account(self, ledger_path: Path, starts: list[Any]) -> tuple[TierAccount, dict[str, int]]:
        run = RunRecords.of(Ledger.open(ledger_path))
        sent = expected(run)
        reader = TopicReader(self.bootstrap, self.topics, starts)
        reading = reader.read(sent)
        account = account_tier(
            "topic", run, sent, reading.digests,
            lambda keys: reader.rows(reading.digests, keys),
            reordered=reading.reordered, unidentified_rows=reading.unidentified, keys_at_once=None,
        )  # fmt: skip
        acks = {}
        for name in EXCHANGES:
            bounds = {feed: (b.first, b.last) for feed, b in sent.bounds.items()}
            acks |= read_acks(self.folder / f"{name}.acks", bounds)
        return account, attribute([account], acks, sent.unreached).counts()

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def road(broker: Any, tmp_path: Path) -> Iterator[Road]:
    road = Road(broker.bootstrap, tmp_path)
    yield road
    road.close()


def wait_until_acknowledged(road: Road) -> None:
    """Wait until the handlers have nothing under way: their queues are empty for a while."""
    quiet_since = time.monotonic()
    deadline = quiet_since + PATIENCE_S
    while time.monotonic() - quiet_since < 1.0:
        assert time.monotonic() < deadline
        for port in road.handler_ports.values():
            answer = requests.get(f"http://127.0.0.1:{port}/healthz", timeout=ANSWER_S)
            if json.loads(answer.content)["queued"]:
                quiet_since = time.monotonic()
        time.sleep(0.1)


def test_every_message_of_two_loads_is_delivered_to_the_topic_in_order(road: Road) -> None:
    first_sequences = []
    for number in range(2):
        starts = end_offsets(road.bootstrap, list(road.topics.values()))
        path = road.folder / f"{number}.ledger"
        road.load.start(f"run-{number}", path)
        status = road.load.finish(MESSAGES, time.sleep)
        assert status.sent == MESSAGES
        wait_until_acknowledged(road)
        account, causes = road.account(path, starts)
        assert account.counts.clean, account.counts
        assert account.counts.sent == MESSAGES
        assert not any(causes.values())
        first_sequences.append(Ledger.open(path).first)
    # Sequences go on: the second load begins where the first one ended.
    assert sum(first_sequences[1].values()) - sum(first_sequences[0].values()) == MESSAGES


def test_the_gap_of_a_killed_handler_is_found_and_called_missed_at_source(road: Road) -> None:
    starts = end_offsets(road.bootstrap, list(road.topics.values()))
    path = road.folder / "gap.ledger"
    road.load.start("gap", path)
    until(lambda: road.load.checked_status().sent > 300)
    os.kill(road.processes["kraken"].pid, signal.SIGKILL)
    road.processes["kraken"].wait()
    time.sleep(0.5)
    road.start_handler("kraken")
    sent = road.load.checked_status().sent
    road.load.finish(sent + 500, time.sleep)
    wait_until_acknowledged(road)
    account, causes = road.account(path, starts)
    assert causes["missed_at_source"] > 0
    assert causes["acknowledged"] == 0
    assert causes["unattributed"] == 0
    assert sum(causes.values()) == account.counts.lost
    assert {feed.exchange for feed in account.lost} == {"kraken"}
    assert account.counts.corrupted == account.counts.unexpected == 0


def test_a_broker_killed_under_load_loses_nothing_that_a_handler_had(road: Road, broker: Any) -> None:
    starts = end_offsets(road.bootstrap, list(road.topics.values()))
    path = road.folder / "kill.ledger"
    road.load.start("kill", path)
    until(lambda: road.load.checked_status().sent > 300)
    broker.kill()
    time.sleep(1)
    broker.start()
    road.load.finish(road.load.checked_status().sent + 1000, time.sleep)
    wait_until_acknowledged(road)
    account, causes = road.account(path, starts)
    assert account.counts.clean, (account.counts, causes)


def test_a_message_deleted_from_the_broker_can_not_pass_for_delivered(road: Road) -> None:
    starts = end_offsets(road.bootstrap, list(road.topics.values()))
    path = road.folder / "whole.ledger"
    road.load.start("whole", path)
    road.load.finish(MESSAGES, time.sleep)
    wait_until_acknowledged(road)
    ends = {(p.topic, p.partition): p.offset for p in end_offsets(road.bootstrap, list(road.topics.values()))}
    full = next(p for p in starts if ends[p.topic, p.partition] > p.offset)
    full.offset += 3  # as if the log began three messages later
    account, causes = road.account(path, starts)
    assert (account.counts.lost, causes["acknowledged"]) == (3, 3)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount the small disk that is to be filled")
def test_a_full_disk_under_the_ledger_stops_the_source_with_an_error(road: Road) -> None:
    disk = road.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=True)
    try:
        road.load.start("full", disk / "full.ledger")
        with pytest.raises(MeasurementError, match="No space left"):
            road.load.finish(MESSAGES, time.sleep)
        status = road.load.status()
        assert status.state == "failed"
        # Nothing is sent that the ledger doesn't hold.
        assert status.sent * 64 <= 64 * 1024
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
