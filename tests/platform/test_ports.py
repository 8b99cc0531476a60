"""Ports: of our range, reserved while their services are down, told apart by who holds them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosp7.errors import PlatformError, PortInUseError
from chaosp7.platform import ports
from chaosp7.platform.process_id import ProcessId


@pytest.fixture(autouse=True)
def own_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests' reservations out of the user's."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_free_ports_are_below_the_range_of_outgoing_connections() -> None:
    chosen = ports.reserve("a", {f"service {number}": 0 for number in range(20)})
    assert len(set(chosen.values())) == 20
    assert all(15_000 <= port <= 31_999 for port in chosen.values())
    assert all(ports.is_free(port) for port in chosen.values())


def test_platforms_side_by_side_get_different_ports_though_none_is_in_use() -> None:
    wanted = {f"service {number}": 0 for number in range(50)}
    first = ports.reserve("a", wanted)
    second = ports.reserve("b", wanted)
    assert not set(first.values()) & set(second.values())


def test_a_new_reservation_replaces_the_platforms_old_one() -> None:
    old = ports.reserve("a", {"service": 0})["service"]
    ports.reserve("a", {"service": 0})
    assert ports.reserved_by(old) in {None, "a"}
    ports.release("a")
    assert ports.reserved_by(old) is None


def test_a_fixed_port_in_use_names_port_service_and_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError) as caught:
            ports.reserve("a", {"redpanda main": port})
    text = str(caught.value)
    assert f"port {port} of service 'redpanda' is used by" in text
    assert f"(PID {os.getpid()})" in text


def test_a_fixed_port_reserved_by_another_platform_names_that() -> None:
    port = ports.reserve("/state/other", {"clickhouse main": 0})["clickhouse main"]
    with pytest.raises(PortInUseError, match=f"port {port} of service 'redpanda' .* /state/other"):
        ports.reserve("a", {"redpanda main": port})


def test_two_services_with_one_fixed_port_are_told() -> None:
    port = ports.reserve("a", {"one main": 0})["one main"]
    with pytest.raises(PortInUseError, match="'two' is the port of service 'one' too"):
        ports.reserve("a", {"one main": port, "two main": port})


def test_free_ports_avoid_fixed_ones() -> None:
    fixed = ports.reserve("a", {"one main": 0})["one main"]
    chosen = ports.reserve("a", {**{f"free {n}": 0 for n in range(30)}, "one main": fixed})
    assert len(set(chosen.values())) == 31


def test_a_reservation_ends_with_the_process_it_was_handed_to(
    other_process: subprocess.Popen[bytes],
) -> None:
    port = ports.reserve("a", {"service": 0})["service"]
    ports.hand_over("a", other_process.pid)
    assert ports.reserved_by(port) == "a"
    other_process.kill()
    other_process.wait()
    assert ports.reserved_by(port) is None
    with pytest.raises(PlatformError, match="can't be handed over"):
        ports.hand_over("a", other_process.pid)


def test_a_torn_book_is_begun_anew(tmp_path: Path) -> None:
    ports.reserve("a", {"service": 0})
    book = tmp_path / f"chaosp7-{os.getuid()}" / "ports.json"
    book.write_bytes(book.read_bytes()[:-3])
    assert ports.reserve("b", {"service": 0})


def test_a_port_in_time_wait_counts_as_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # closes first: the TIME_WAIT is on the server's port
        client.close()
    assert ports.is_free(port)


def test_a_zombie_and_a_stranger_with_the_same_pid_are_not_the_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    identity = ProcessId.of(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ProcessId.of(process.pid) is None
    if identity:
        assert not identity.alive()
    process.wait()
    this = ProcessId.of(os.getpid())
    assert this
    assert this.alive()
    stranger = ProcessId(this.pid, this.start_ticks + 1)
    assert not stranger.alive()
    assert stranger.send(0) is None
