"""Links with a real Toxiproxy: what was set is read back, every failure is an error."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from chaosp7.embedded.provision import Parts
from chaosp7.errors import FaultError, HealError, NotVerifiedError
from chaosp7.platform.links import Links, Toxic
from tests.waiting import ANSWER_S, until

LINK = "feed-handler-binance->redpanda"


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def toxiproxy(parts: Parts) -> Iterator[Callable[[], Links]]:
    running = []

    def start() -> Links:
        port = _port()
        command = [str(parts.toxiproxy), "-host", "127.0.0.1", "-port", str(port)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        links = Links(port)
        until(lambda: _answers(links))
        return links

    yield start
    for process in running:
        process.kill()
        process.wait()


def _answers(links: Links) -> bool:
    try:
        links.states()
    except FaultError:
        return False
    return True


@pytest.fixture
def echo() -> Iterator[int]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def _echo(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(1024):
            connection.sendall(data)


def _ping(port: int, timeout_s: float = ANSWER_S) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.sendall(b"ping")
        return connection.recv(4)


def test_a_link_passes_on_is_cut_and_comes_back(toxiproxy: Callable[[], Links], echo: int) -> None:
    links, port = toxiproxy(), _port()
    state = links.create(LINK, port, echo)
    assert (state.name, state.listen_port, state.upstream_port, state.clean) == (LINK, port, echo, True)
    assert _ping(port) == b"ping"
    assert not links.disable(LINK).enabled
    with pytest.raises(ConnectionRefusedError):
        _ping(port)
    assert links.enable(LINK).clean
    assert _ping(port) == b"ping"


def test_toxics_are_set_read_back_and_removed(toxiproxy: Callable[[], Links], echo: int) -> None:
    links, port = toxiproxy(), _port()
    links.create(LINK, port, echo)
    state = links.add_toxic(LINK, Toxic("latency", "downstream", {"latency": 300, "jitter": 0}))
    assert state.toxics["latency_downstream"].attributes["latency"] == 300
    started = time.monotonic()
    assert _ping(port) == b"ping"
    assert time.monotonic() - started > 0.25
    assert not state.clean
    assert links.remove_toxic(LINK, "latency_downstream").clean


def test_a_misspelt_attribute_is_an_error_and_leaves_no_toxic(
    toxiproxy: Callable[[], Links], echo: int
) -> None:
    links = toxiproxy()
    links.create(LINK, _port(), echo)
    with pytest.raises(NotVerifiedError, match="latncy"):
        links.add_toxic(LINK, Toxic("latency", "upstream", {"latncy": 1000}))
    assert links.state(LINK).clean


def test_heal_removes_everything_and_can_be_repeated(toxiproxy: Callable[[], Links], echo: int) -> None:
    links, port = toxiproxy(), _port()
    links.create(LINK, port, echo)
    links.add_toxic(LINK, Toxic("timeout", "upstream", {"timeout": 0}))
    links.add_toxic(LINK, Toxic("timeout", "downstream", {"timeout": 0}))
    links.disable(LINK)
    for _ in range(2):
        assert links.heal(LINK).clean
    assert _ping(port) == b"ping"


def test_a_link_whose_port_is_taken_cannot_be_healed_and_says_so(
    toxiproxy: Callable[[], Links], echo: int
) -> None:
    links, port = toxiproxy(), _port()
    links.create(LINK, port, echo)
    links.disable(LINK)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(HealError, match="can't be healed within"),
    ):
        links.heal(LINK, timeout_s=0.5)
    assert links.heal(LINK).clean


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda links: links.disable("nowhere"), "proxy not found"),
        (lambda links: links.remove_toxic(LINK, "nothing"), "toxic not found"),
        (lambda links: links.add_toxic(LINK, Toxic("frogs", "upstream")), "invalid toxic type"),
        (lambda links: links.create(LINK, 1, 2), "already exists"),
    ],
    ids=["unknown-link", "unknown-toxic", "unknown-type", "exists"],
)
def test_refusals_are_errors_with_what_toxiproxy_says(
    toxiproxy: Callable[[], Links], echo: int, act: Callable[[Links], object], said: str
) -> None:
    links = toxiproxy()
    links.create(LINK, _port(), echo)
    with pytest.raises(FaultError, match=said):
        act(links)


def test_a_taken_port_is_an_error(toxiproxy: Callable[[], Links], echo: int) -> None:
    with pytest.raises(FaultError, match="address already in use"):
        toxiproxy().create(LINK, echo, echo)


def test_one_process_talks_to_two_servers(toxiproxy: Callable[[], Links], echo: int) -> None:
    one, other = toxiproxy(), toxiproxy()
    one.create("one", _port(), echo)
    other.create("other", _port(), echo)
    assert (list(one.states()), list(other.states())) == (["one"], ["other"])


def test_a_dead_server_is_an_error() -> None:
    with pytest.raises(FaultError, match="failed to list the proxies"):
        Links(_port()).states()


def test_a_server_that_hangs_is_an_error_within_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        with pytest.raises(FaultError, match="timed out"):
            Links(server.getsockname()[1], timeout_s=0.3).states()
        assert time.monotonic() - started < 5
