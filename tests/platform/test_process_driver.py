"""The process driver with real services: broker, exchange, Toxiproxy, feed handlers."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chaosp7.embedded import topics
from chaosp7.embedded.provision import Parts
from chaosp7.errors import NotRunningError, PlatformError, PortInUseError
from chaosp7.platform.control_client import stragglers
from chaosp7.platform.link_check import check_links
from chaosp7.platform.loader import load
from chaosp7.platform.model import Part, Platform
from chaosp7.platform.process_driver import Phase, ProcessDriver, ServiceState
from tests.waiting import until

_LEFT_OUT = (Part.CLICKHOUSE, Part.SILVER_PROCESSOR)


def _without_clickhouse() -> Platform:
    """The embedded platform up to the broker: quick to start, and all that links need."""
    platform = load("embedded")
    services = {name: one for name, one in platform.services.items() if one.part not in _LEFT_OUT}
    return msgspec.structs.replace(
        platform,
        services=services,
        links={name: one for name, one in platform.links.items() if one.client in services},
        tiers={},
        consumer_groups=[],
    )


def _changed(platform: Platform, service: str, **changes: object) -> Platform:
    changed = msgspec.structs.replace(platform.services[service], **changes)
    return msgspec.structs.replace(platform, services={**platform.services, service: changed})


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder for this module's platforms; whatever is left there is ended."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAOSP7_STATE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def shared(state_dir: Path, parts: Parts) -> Iterator[ProcessDriver]:
    """A platform that is up; a test leaves it as whole as it was."""
    assert state_dir
    assert parts
    driver = ProcessDriver(_without_clickhouse(), "shared")
    driver.up()
    yield driver
    driver.down()


@pytest.fixture
def own(state_dir: Path, parts: Parts, request: pytest.FixtureRequest) -> Iterator[ProcessDriver]:
    """A platform of the test's own, not yet up; nothing of it may be left."""
    assert state_dir
    assert parts
    driver = ProcessDriver(_without_clickhouse(), f"own-{abs(hash(request.node.name)) % 10**6}")
    yield driver
    driver.down()
    assert not stragglers(driver.state)


def test_up_means_all_healthy(shared: ProcessDriver) -> None:
    status = shared.platform_status()
    assert status.phase is Phase.UP
    assert list(status.services) == list(_without_clickhouse().services)
    assert all(service.healthy for service in status.services.values())
    made = topics.advertised(shared.bootstrap)
    assert made == {shared.bootstrap}


def test_every_link_into_the_broker_keeps_its_clients_at_the_proxy(shared: ProcessDriver) -> None:
    for link in shared.plan.links.values():
        if link.server == "redpanda":
            proxy = f"127.0.0.1:{link.listen_port}"
            assert topics.advertised(proxy) == {proxy}


def test_a_broker_that_sends_clients_past_the_proxy_is_refused(shared: ProcessDriver) -> None:
    plan = shared.plan
    name = "feed-handler-binance->redpanda"
    # The proxy of a wrong plan leads to the direct listener.
    shared.links._server.api.ask("DELETE", f"/proxies/{name.replace('>', '%3E')}")
    link = msgspec.structs.replace(plan.links[name], upstream_port=plan.services["redpanda"].ports["main"])
    try:
        shared.links.create(name, link.listen_port, link.upstream_port)
        wrong = msgspec.structs.replace(plan, links={**plan.links, name: link})
        with pytest.raises(PlatformError, match="a fault on this link would do nothing"):
            check_links(wrong, shared.links)
    finally:
        shared.crash("toxiproxy")
        until(lambda: shared.status()["toxiproxy"].healthy)
    check_links(plan, shared.links)


def test_up_again_changes_nothing(shared: ProcessDriver) -> None:
    pids = {name: service.pid for name, service in shared.status().items()}
    assert shared.up() == shared.plan
    assert {name: service.pid for name, service in shared.status().items()} == pids


def test_a_crash_is_restarted_and_a_kill_is_not(shared: ProcessDriver) -> None:
    before = shared.service_status("feed-handler-kraken")
    crashed = shared.crash("feed-handler-kraken")
    assert (crashed.pid, crashed.exit_code) == (before.pid, -signal.SIGKILL)
    until(lambda: shared.status()["feed-handler-kraken"].healthy)
    assert shared.service_status("feed-handler-kraken").restarts == before.restarts + 1

    killed = shared.signal_service("feed-handler-kraken")
    assert killed.exit_code == -signal.SIGKILL
    time.sleep(1)
    assert shared.service_status("feed-handler-kraken").state is ServiceState.STOPPED
    with pytest.raises(PlatformError, match="no process that could crash"):
        shared.crash("feed-handler-kraken")
    assert shared.start("feed-handler-kraken").healthy_ns


def test_a_broker_killed_comes_back_with_its_topics_within_10_s(shared: ProcessDriver) -> None:
    killed = shared.signal_service("redpanda")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(shared.bootstrap.split(":")[1])), 1)
    started = shared.start("redpanda")
    assert killed.sent_ns
    assert started.healthy_ns
    assert started.healthy_ns - killed.sent_ns < 10_000_000_000
    topics.create(shared.bootstrap, list(_without_clickhouse().topics.values()), 3)


def test_a_crashed_toxiproxy_has_its_links_back(shared: ProcessDriver) -> None:
    before = shared.links.states()
    shared.crash("toxiproxy")
    until(lambda: shared.status()["toxiproxy"].healthy)
    assert shared.links.states() == before
    assert all(state.clean for state in before.values())
    until(lambda: all(service.healthy for service in shared.status().values()))


def test_a_paused_broker_is_unhealthy_though_its_port_is_open(shared: ProcessDriver) -> None:
    shared.pause("redpanda")
    try:
        until(lambda: shared.status()["redpanda"].state is ServiceState.UNHEALTHY)
        socket.create_connection(("127.0.0.1", int(shared.bootstrap.split(":")[1])), 1).close()
    finally:
        shared.resume("redpanda")
    until(lambda: shared.status()["redpanda"].healthy)


def test_unknown_services_and_roles_name_those_there_are(shared: ProcessDriver) -> None:
    with pytest.raises(PlatformError, match="no service 'kafka'; there are: exchange, redpanda"):
        shared.stop("kafka")
    with pytest.raises(PlatformError, match="no port for 'ws'; there are: main, binance"):
        shared.endpoint("exchange", "ws")
    assert shared.endpoint("exchange", "binance").startswith("127.0.0.1:")


def test_platforms_stand_side_by_side(shared: ProcessDriver, own: ProcessDriver) -> None:
    own.up()
    assert own.bootstrap != shared.bootstrap
    listens = [
        {port for service in driver.plan.services.values() for port in service.ports.values()}
        for driver in (own, shared)
    ]
    assert not listens[0] & listens[1]
    assert own.down()
    assert all(service.healthy for service in shared.status().values())


def test_down_twice_and_status_after_it(own: ProcessDriver) -> None:
    assert own.down() is False
    with pytest.raises(NotRunningError):
        own.status()
    own.up()
    assert own.down() is True
    assert own.down() is False
    with pytest.raises(NotRunningError):
        own.status()
    assert own.log("redpanda").exists()


def test_a_killed_supervisor_leaves_nothing_that_the_next_up_or_down_minds(own: ProcessDriver) -> None:
    own.up()
    for _ in range(2):
        os.kill(int(own.state.supervisor_pid.read_text()), signal.SIGKILL)
        until(lambda: not own.running())
        with pytest.raises(NotRunningError, match="its supervisor was killed"):
            own.status()
        own.up()
        assert all(service.healthy for service in own.status().values())
    supervisor = int(own.state.supervisor_pid.read_text())
    os.kill(supervisor, signal.SIGSTOP)
    bring_up_timeout_s = 1.0
    assert own.down(bring_up_timeout_s)
    assert not own.running()


def test_kept_data_go_on_where_they_were(own: ProcessDriver) -> None:
    own.up()
    first = own.plan
    topics.create(own.bootstrap, ["kept"], 1)
    own.down()
    own.up(keep_data=True)
    assert own.plan.services == first.services
    with pytest.raises(PlatformError, match="kept has 1 partitions"):
        topics.create(own.bootstrap, ["kept"], 2)
    own.down()
    own.up()
    topics.create(own.bootstrap, ["kept"], 2)


def test_a_service_that_cannot_start_is_named_with_its_log_and_all_is_ended(own: ProcessDriver) -> None:
    assert own.platform
    broken = ProcessDriver(_changed(own.platform, "redpanda", memory_mb=1), own.name)
    with pytest.raises(PlatformError) as caught:
        broken.up()
    assert "service 'redpanda' ended with exit code 1 before it was healthy" in str(caught.value)
    assert "heap" in str(caught.value)
    assert not stragglers(broken.state)
    assert not broken.running()


def test_a_fixed_port_in_use_is_named_and_nothing_is_started(own: ProcessDriver) -> None:
    assert own.platform
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        fixed = ProcessDriver(_changed(own.platform, "redpanda", port=port), own.name)
        with pytest.raises(
            PortInUseError, match=f"port {port} of service 'redpanda' is used by .*PID {os.getpid()}"
        ):
            fixed.up()
    assert not stragglers(own.state)
    fixed.up()
    assert fixed.bootstrap == f"127.0.0.1:{port}"


def test_a_driver_opened_by_name_does_all_but_up(shared: ProcessDriver) -> None:
    by_name = ProcessDriver(name=shared.name)
    assert by_name.bootstrap == shared.bootstrap
    assert by_name.status().keys() == shared.status().keys()
    with pytest.raises(PlatformError, match="needs its platform file"):
        by_name.up()
