"""Fixtures for all tests: the provisioned parts and a real broker."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from chaosp7.embedded import kafka, provision
from chaosp7.errors import ProvisionError
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.loader import load
from chaosp7.platform.model import Platform
from tests.chaos import PLATFORM
from tests.clickhouse_process import ClickHouseProcess
from tests.lite import Lite, lite_platform
from tests.process import Process
from tests.waiting import PATIENCE_S

# A busy machine stands still for longer than any example may take.
settings.register_profile("chaosp7", deadline=None)
settings.load_profile("chaosp7")


@pytest.fixture(scope="session")
def parts() -> provision.Parts:
    """The broker and Toxiproxy, made first if they aren't there (once per user, up to a minute)."""
    try:
        return provision.parts()
    except ProvisionError as error:
        pytest.fail(f"these tests need the embedded platform's parts: {error}")


class Broker(Process):
    """A plain broker without a supervisor, on free ports of the loopback interface.

    Args:
        parts: the provisioned parts.
        folder: for its data and its log.
        deletes: whether it carries out that a topic is deleted.

    Attributes:
        bootstrap: its address, ``host:port``.
        port: the port of it.
    """

    def __init__(self, parts: provision.Parts, folder: Path, *, deletes: bool = False) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            self.port, controller_port = one.getsockname()[1], other.getsockname()[1]
        self.bootstrap = f"127.0.0.1:{self.port}"
        listener = kafka.Listener(kafka.DIRECT, self.port, self.port)
        properties = kafka.prepare(parts.kafka.template, folder, [listener], controller_port)
        if deletes:
            refusing, doing = (f"delete.topic.enable={value}" for value in ("false", "true"))
            assert refusing in properties.read_text()
            properties.write_text(properties.read_text().replace(refusing, doing))
        super().__init__(kafka.broker_command(parts.kafka, properties, memory_mb=384), folder / "broker.log")

    def start(self) -> None:
        """Start it and wait until its port is open."""
        super().start()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                pass
            else:
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the broker doesn't start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)


@pytest.fixture(scope="session")
def broker(parts: provision.Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real broker for the session; use topics and groups of your own.

    It has no topics and makes none by itself: `chaosp7.embedded.topics.create` does. Who kills
    it starts it again.
    """
    broker = Broker(parts, tmp_path_factory.mktemp("broker"))
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def clickhouse_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    """A real ClickHouse for the session; use databases of your own. Who kills it starts it again."""
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    yield process
    process.close()


@pytest.fixture(scope="session")
def lite(parts: provision.Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """A platform up to the broker, for the session. A test leaves it as whole as it was."""
    del parts  # only have to be there
    yield from up(lite_platform(), tmp_path_factory.mktemp("lite"))


@pytest.fixture(scope="module")
def embedded(parts: provision.Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """The shipped platform, for a module: runs find it up. A test leaves it as whole as it was."""
    del parts  # only have to be there
    yield from up(load(PLATFORM), tmp_path_factory.mktemp("embedded"))


def up(model: Platform, state: Path) -> Iterator[Lite]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAOSP7_STATE_DIR", str(state))
        driver = open_driver(model)
        driver.up()
    yield Lite(model, driver, state)
    driver.down()
