"""The docker driver, on a real daemon."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from chaosp7.actions._service import ServiceFault
from chaosp7.actions.cpu_stress import CpuStress
from chaosp7.actions.crash import Crash
from chaosp7.actions.isolate import Isolate
from chaosp7.actions.kill import Kill
from chaosp7.actions.memory_pressure import MemoryPressure
from chaosp7.actions.pause import Pause
from chaosp7.actions.refuse import Refuse
from chaosp7.actions.slow_disk import SlowDisk
from chaosp7.actions.stop import Stop
from chaosp7.errors import FaultError, NotVerifiedError, PlatformError
from chaosp7.platform.containers import TARGET_LABEL, Containers
from chaosp7.platform.docker_driver import DockerDriver
from chaosp7.platform.driver import ServiceState
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.model import Platform
from chaosp7.safety.heal import ledger_of
from chaosp7.safety.undo import Undo, carry_out_undo, is_undone
from chaosp7.stress.helper import helpers
from tests.actions.faulty import carried_out
from tests.docker.daemon import Daemon
from tests.lite import EXCHANGE_LINK, HANDLER, KAFKA_LINK, Lite
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.alone

REPOSITORY = Path(__file__).parents[2]
CLEAN_WITHIN_S = 5.0

FAULTS: dict[str, Callable[[Lite], ServiceFault]] = {
    "kill": lambda lite: Kill(lite.driver, HANDLER, 0.5, PATIENCE_S),
    "stop": lambda lite: Stop(lite.driver, HANDLER, 0.5, PATIENCE_S),
    "pause": lambda lite: Pause(lite.driver, HANDLER, 0.5, PATIENCE_S),
    "isolate": lambda lite: Isolate(lite.driver, HANDLER, 0.5, PATIENCE_S),
}


def container(lite: Lite, service: str) -> str:
    return lite.driver.plan.service(service).container


def clean(lite: Lite) -> bool:
    """Nothing is paused, down, unplugged or cut, and the ledger says so too."""
    containers = Containers()
    states = [containers.state(one.container) for one in lite.driver.plan.services.values()]
    try:
        links = lite.driver.links.states().values()
    except FaultError:
        return False  # Toxiproxy itself is down
    return (
        all(s.running and not s.paused and s.address for s in states)
        and all(state.clean for state in links)
        and not ledger_of(lite.driver).open_faults()
    )


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_seen_lasts_and_is_gone_again(docker_lite: Lite, tmp_path: Path, kind: str) -> None:
    before = Containers().state(container(docker_lite, HANDLER))
    seen = []

    def meanwhile() -> None:
        now = Containers().state(before.name)
        seen.append(
            {
                "kill": not now.running,
                "stop": not now.running,
                "pause": now.paused,
                "isolate": not now.address,
            }
        )

    record = carried_out(FAULTS[kind](docker_lite), tmp_path, meanwhile)
    assert seen[0][kind]
    assert sum(seen[0].values()) == (2 if kind in ("kill", "stop") else 1) or not seen[0]["pause"]
    assert (record.healed_ns or 0) - (record.verified_start_ns or 0) >= 0.5e9
    after = Containers().state(before.name)
    assert docker_lite.driver.service_status(HANDLER).healthy
    assert (after.pid == before.pid) == (kind in ("pause", "isolate"))


def test_a_crash_is_restarted_by_the_daemon_and_a_kill_is_not(docker_lite: Lite, tmp_path: Path) -> None:
    before = Containers().state(container(docker_lite, HANDLER))
    carried_out(Crash(docker_lite.driver, HANDLER, PATIENCE_S), tmp_path)
    after = Containers().state(before.name)
    assert after.restarts == before.restarts + 1
    assert after.pid != before.pid
    stopped = docker_lite.driver.signal_service(HANDLER)
    assert stopped.ended_ns is not None
    time.sleep(1)  # longer than the daemon waits before it starts a crashed one
    assert docker_lite.driver.service_status(HANDLER).state is ServiceState.STOPPED
    docker_lite.driver.start(HANDLER)


def test_an_end_has_the_daemons_own_time(docker_lite: Lite) -> None:
    begun_ns = time.monotonic_ns()
    stopped = docker_lite.driver.signal_service(HANDLER)
    answered_ns = time.monotonic_ns()
    docker_lite.driver.start(HANDLER)
    assert stopped.sent_ns is not None
    assert stopped.ended_ns is not None
    assert begun_ns <= stopped.sent_ns <= stopped.ended_ns <= answered_ns
    # Asking for the event takes some time, but the event itself was there long before the answer.
    died_ns = Containers().died_ns(container(docker_lite, HANDLER), begun_ns)
    assert died_ns is not None
    assert abs(died_ns - stopped.ended_ns) < 5e6


def test_a_service_that_was_unplugged_has_its_address_and_names_back(
    docker_lite: Lite, tmp_path: Path
) -> None:
    before = docker_lite.driver.networks("redpanda")
    address = Containers().state(container(docker_lite, "redpanda")).address
    carried_out(Isolate(docker_lite.driver, "redpanda", 0.5, PATIENCE_S), tmp_path)
    assert Containers().state(container(docker_lite, "redpanda")).address == address
    after = docker_lite.driver.networks("redpanda")
    assert '"redpanda"' in before
    assert set(before.split('"')) <= set(after.split('"'))


def test_a_link_between_containers_is_cut_at_its_proxy(docker_lite: Lite, tmp_path: Path) -> None:
    record = carried_out(Refuse(docker_lite, KAFKA_LINK, 0.3), tmp_path)
    assert "refuses connections" in record.proof[0]


def test_a_client_that_goes_round_the_proxy_is_told(docker_lite: Lite) -> None:
    assert docker_lite.driver.past_the_proxy(KAFKA_LINK) is None
    host, _, port = docker_lite.driver.endpoint("redpanda").rpartition(":")
    script = f"import socket,time; s=socket.create_connection(({host!r},{port})); print('up',flush=True); time.sleep(60)"
    containers = Containers()
    pid = containers.state(container(docker_lite, HANDLER)).pid
    command = ["nsenter", "-t", str(pid), "-n", sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as past:
        assert past.stdout is not None
        assert past.stdout.readline() == "up\n"
        try:
            assert "past the proxy" in (docker_lite.driver.past_the_proxy(KAFKA_LINK) or "")
        finally:
            past.kill()


def test_an_isolation_or_a_pause_that_does_nothing_is_not_verified(
    docker_lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_lite.driver, "disconnect", lambda _service: None)
    with pytest.raises(NotVerifiedError, match="still on its networks"):
        carried_out(Isolate(docker_lite.driver, HANDLER, 0.1, PATIENCE_S), tmp_path)
    monkeypatch.setattr(docker_lite.driver, "pause", lambda _service: None)
    with pytest.raises(NotVerifiedError, match="isn't stopped"):
        carried_out(Pause(docker_lite.driver, HANDLER, 0.1, PATIENCE_S), tmp_path)


def test_a_kill_of_a_dead_container_is_not_verified(docker_lite: Lite, tmp_path: Path) -> None:
    docker_lite.driver.signal_service(HANDLER)
    with pytest.raises(NotVerifiedError, match="no process"):
        carried_out(Kill(docker_lite.driver, HANDLER, 0.1, PATIENCE_S), tmp_path)
    assert docker_lite.driver.service_status(HANDLER).healthy


def test_a_container_that_has_not_opted_in_is_not_touched(docker_lite: Lite) -> None:
    containers = Containers()
    other = containers.client.containers.create("chaosp7-embedded:1", ["/bin/sleep", "60"], labels={"a": "b"})
    try:
        with pytest.raises(PlatformError, match=TARGET_LABEL):
            containers.target(other.name)
    finally:
        other.remove(force=True)
    assert containers.target(container(docker_lite, HANDLER)).name


def test_a_daemon_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(PlatformError, match="of this machine"):
        Containers()


def test_a_daemon_that_is_not_there_is_an_error_not_a_platform_that_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(PlatformError, match="Docker at"):
        DockerDriver(name="nobody").running()


@pytest.mark.parametrize("fault", ["pause", "kill", "isolate", "blackhole", "power-cut"])
def test_a_killed_runner_leaves_nothing_after_five_seconds(docker_lite: Lite, fault: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.safety.runner", fault, "100", "docker"],
        cwd=REPOSITORY,
        env={**os.environ, "CHAOSP7_STATE_DIR": str(docker_lite.state)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "in force\n"]
        assert not clean(docker_lite)
        process.send_signal(signal.SIGKILL)
        process.wait()
        until(lambda: clean(docker_lite), CLEAN_WITHIN_S)
    until(lambda: all(s.healthy for s in docker_lite.driver.status().values()))


def test_down_leaves_no_container_and_no_network(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker_lite: Lite
) -> None:
    del daemon
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path))
    model = docker_lite.model
    driver = open_driver(model, "other")
    driver.up()
    client = Containers().client
    assert len(client.containers.list(all=True, filters={"label": "chaosp7.platform=other"})) == len(
        model.services
    )
    assert driver.down()
    assert not client.containers.list(all=True, filters={"label": "chaosp7.platform=other"})
    assert not client.networks.list(filters={"label": "chaosp7.platform=other"})
    assert not driver.down()
    assert docker_lite.driver.status()  # side by side: the other one goes on


def somebody_elses(lite: Lite) -> Platform:
    """The platform file that names the containers of a platform that is up."""
    plan, model = lite.driver.plan, lite.model
    services = {
        name: msgspec.structs.replace(
            one, container=plan.services[name].container, address=lite.driver.endpoint(name)
        )
        for name, one in model.services.items()
    }
    links = {
        name: msgspec.structs.replace(one, listen_port=plan.links[name].listen_port)
        for name, one in model.links.items()
    }
    return msgspec.structs.replace(model, name="attached", services=services, links=links)


def test_somebody_elses_containers_are_attached_to_and_left_as_they_are(
    docker_lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path))
    model = somebody_elses(docker_lite)
    driver = open_driver(model)
    driver.up()
    assert all(status.healthy for status in driver.status().values())
    attached = Lite(model, driver, tmp_path)
    carried_out(Pause(driver, HANDLER, 0.2, PATIENCE_S), tmp_path)
    carried_out(Refuse(attached, KAFKA_LINK, 0.2), tmp_path)
    with pytest.raises(PlatformError, match="somebody else's"):
        driver.down()
    assert docker_lite.driver.service_status(HANDLER).healthy
    # Who heals knows no more than the name: the platform file may be gone.
    by_name = open_driver(name="attached")
    assert by_name.running()
    driver.pause(HANDLER)
    assert not is_undone(Undo("resume", HANDLER), by_name)
    carry_out_undo(Undo("resume", HANDLER), by_name)
    assert is_undone(Undo("resume", HANDLER), by_name)


def test_a_broker_that_sends_attached_clients_past_the_proxy_is_refused(
    docker_lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path))
    model = somebody_elses(docker_lite)
    link = msgspec.structs.replace(
        model.links[KAFKA_LINK], listen_port=model.links[EXCHANGE_LINK].listen_port
    )
    wrong = msgspec.structs.replace(model, links={**model.links, KAFKA_LINK: link})
    with pytest.raises(PlatformError, match="isn't as planned"):
        open_driver(wrong).up()


def test_a_container_is_found_by_its_label(docker_lite: Lite) -> None:
    del docker_lite  # only has to be there, with several containers of one label
    containers = Containers()
    other = containers.client.containers.create(
        "chaosp7-embedded:1", ["/bin/true"], name="by-label", labels={"k": "v"}
    )
    try:
        assert containers.resolve("label:k=v") == "by-label"
        assert containers.resolve("some-name") == "some-name"
        with pytest.raises(PlatformError, match="and is none"):
            containers.resolve("label:k=w")
        with pytest.raises(PlatformError, match="to be one container"):
            containers.resolve(f"label:{TARGET_LABEL}=true")
    finally:
        other.remove(force=True)


def test_a_container_that_is_not_there_is_named(
    docker_lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path))
    model = somebody_elses(docker_lite)
    service = msgspec.structs.replace(model.services[HANDLER], container="k2-nobody")
    wrong = msgspec.structs.replace(model, services={**model.services, HANDLER: service})
    with pytest.raises(PlatformError, match="k2-nobody"):
        open_driver(wrong).up()


def test_busy_loops_work_in_the_containers_own_cgroup(docker_lite: Lite, tmp_path: Path) -> None:
    fault = CpuStress(docker_lite.driver, HANDLER, 1, 0.3)
    pid = Containers().state(container(docker_lite, HANDLER)).pid
    seen = []

    def meanwhile() -> None:
        seen.extend(cgroup(one.pid, "cpu") for one in helpers(fault.undo[0].target))

    carried_out(fault, tmp_path, meanwhile)
    assert seen == [cgroup(pid, "cpu")] * 2
    assert cgroup(pid, "cpu") != cgroup(os.getpid(), "cpu")


def cgroup(pid: int, controller: str) -> str:
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    return next(path for _number, names, path in lines if names == "" or controller in names.split(","))


def test_a_container_s_disk_is_slowed_down_by_its_own_cgroup(docker_lite: Lite, tmp_path: Path) -> None:
    if os.major(docker_lite.state.stat().st_dev) == 0:
        pytest.skip("the temporary folder isn't on a disk")
    fault = SlowDisk(docker_lite.driver, HANDLER, 200_000, 0.3, PATIENCE_S)
    record = carried_out(fault, tmp_path)
    written_bytes_per_s = int(record.proof[0].split(" bytes/s were written")[0].replace(",", ""))
    assert 0 < written_bytes_per_s < 300_000
    assert is_undone(fault.undo[0], docker_lite.driver)


def test_memory_is_taken_from_a_container_with_a_limit(docker_lite: Lite, tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="no memory limit of its own"):
        MemoryPressure(docker_lite.driver, HANDLER, 16, 64, 1)
    limited = Containers().target(container(docker_lite, HANDLER))
    limited.update(mem_limit="256m", memswap_limit="256m")
    try:
        fault = MemoryPressure(docker_lite.driver, HANDLER, 32, 1024, 0.3)
        record = carried_out(fault, tmp_path)
    finally:
        limited.update(mem_limit="8g", memswap_limit="8g")
    assert docker_lite.driver.service_status(HANDLER).healthy
    taken = int(record.proof[0].split(" MiB taken")[0])
    assert 32 < taken < 256 - 32  # what the handler itself uses isn't there to be taken
