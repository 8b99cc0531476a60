"""The supervisor with tiny real services: order, crashes, stops, its own death."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from chaosp7.embedded import plan_model
from chaosp7.embedded.plan_model import Check, HealthPlan, Plan, ServicePlan, TaskPlan
from chaosp7.embedded.state import StateDir
from chaosp7.embedded.supervisor.daemon import stop_order
from chaosp7.embedded.supervisor.protocol import (
    Outcome,
    Phase,
    Request,
    ServiceState,
    ServiceStatus,
    Started,
    Stopped,
)
from chaosp7.embedded.supervisor.service import backoff_s
from chaosp7.errors import NotRunningError, PlatformError, SilentError
from chaosp7.platform.bring_up import _start_supervisor
from chaosp7.platform.control_client import (
    ControlClient,
    end_stragglers,
    is_running,
    stragglers,
)
from chaosp7.platform.model import Part
from tests.waiting import PATIENCE_S, until

_SERVER = """
import http.server, os, signal, subprocess, sys
for word in sys.argv[2:]:
    if word == "deaf": signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if word == "child": subprocess.Popen(["sleep", "300"], start_new_session=False)
    if word == "stray": subprocess.Popen(["sleep", "300"], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.path.exists("ill") else 200)
        self.end_headers()
        self.wfile.write(b"body")
    def log_message(self, *arguments): pass
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _service(*words: str, code: str = _SERVER, **more: object) -> ServicePlan:
    port = _port()
    plan = {
        "part": Part.EXCHANGE,
        "command": [sys.executable, "-c", code, str(port), *words],
        "ports": {"main": port},
        "health": HealthPlan(check=Check.HTTP, port=port),
        "stop_timeout_s": 1.0,
        "start_timeout_s": PATIENCE_S,
    }
    return ServicePlan(**{**plan, **more})  # type: ignore[arg-type]


class Supervised:
    """A supervisor at work."""

    def __init__(self, state: StateDir, services: dict[str, ServicePlan], tasks: dict[str, TaskPlan]) -> None:
        self.state = state
        self.client = ControlClient(state)
        plan = Plan(
            name="test",
            platform_file="",
            state_dir=str(state.path),
            services=services,
            tasks=tasks,
            links={},
        )
        state.prepare(keep_data=False)
        for name in services:
            state.data(name).mkdir()
        plan_model.write(plan)
        _start_supervisor(state)

    def status(self, service: str) -> ServiceStatus:
        return self.client.status().services[service]

    def wait(self, condition: Callable[[], object]) -> None:
        until(condition, said=self.state.supervisor_log.read_text)

    def wait_up(self) -> None:
        self.wait(lambda: is_running(self.state) and self._phase() is Phase.UP)

    def _phase(self) -> Phase | None:
        try:
            return self.client.status().phase
        except NotRunningError:
            return None

    def stop(
        self, service: str, signum: int = 15, wait_s: float = PATIENCE_S, *, escalate: bool = False
    ) -> Stopped:
        request = Request(op="stop", service=service, signal=signum, wait_s=wait_s, escalate=escalate)
        return self.client.ask(request, Stopped)

    def start(self, service: str, wait_s: float = PATIENCE_S) -> Started:
        return self.client.ask(Request(op="start", service=service, wait_s=wait_s), Started)

    def kill_supervisor(self) -> None:
        os.kill(int(self.state.supervisor_pid.read_text()), signal.SIGKILL)
        self.wait(lambda: not is_running(self.state))

    def error(self) -> str:
        self.wait(lambda: not is_running(self.state))
        return msgspec.json.decode(self.state.outcome.read_bytes(), type=Outcome).error


Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    started: list[Supervised] = []

    def supervise(tasks: dict[str, TaskPlan] | None = None, **services: ServicePlan) -> Supervised:
        state = StateDir(tmp_path / f"platform-{len(started)}")
        supervised = Supervised(state, services, tasks or {})
        started.append(supervised)
        return supervised

    yield supervise
    for supervised in started:
        end_stragglers(supervised.state)


def test_backoff_doubles_up_to_its_longest() -> None:
    assert [backoff_s(n) for n in (1, 2, 3, 4, 5, 6, 7, 1000)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_services_start_after_what_they_need_and_stop_before_it(supervise: Supervise, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    task = f"import pathlib; pathlib.Path({str(seen)!r}, 'task').touch()"
    check = f"import pathlib; assert pathlib.Path({str(seen)!r}, 'task').exists()\n"
    services = {
        "last": _service(after=["made", "first"], code=check + _SERVER),
        "first": _service(),
    }
    tasks = {"made": TaskPlan(command=[sys.executable, "-c", task], after=["first"])}
    supervised = supervise(tasks, **services)
    supervised.wait_up()
    assert supervised.status("last").healthy
    plan = plan_model.read(supervised.state)
    assert stop_order(plan) == [["last"], ["first"]]
    supervised.client.ask(Request(op="shutdown"), type(None))
    supervised.wait(lambda: not is_running(supervised.state))
    events = [json.loads(line) for line in supervised.state.events.read_text().splitlines()]
    order = [(event["service"], event["event"]) for event in events]
    assert order.index(("first", "healthy")) < order.index(("last", "started"))
    assert order.index(("last", "ended")) < order.index(("first", "ended"))
    # The lock is free a moment before the supervisor has ended.
    supervised.wait(lambda: not stragglers(supervised.state))
    assert not list((supervised.state.path / "pids").iterdir())


def test_a_crash_is_followed_by_a_restart(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    before = supervised.status("one")
    assert before.pid == int(supervised.state.pid_file("one").read_text())
    assert before.process
    killed_ns = before.process.send(signal.SIGKILL)
    supervised.wait(lambda: supervised.status("one").restarts == 1 and supervised.status("one").healthy)
    after = supervised.status("one")
    assert after.pid != before.pid
    assert after.last_end
    assert (after.last_end.pid, after.last_end.exit_code) == (before.pid, -signal.SIGKILL)
    assert not after.last_end.requested
    assert killed_ns
    assert after.started_ns
    assert after.healthy_ns
    assert killed_ns <= after.last_end.ended_ns < after.started_ns < after.healthy_ns


def test_what_is_killed_through_the_supervisor_stays_down_until_started(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    pid = supervised.status("one").pid
    stopped = supervised.stop("one", signal.SIGKILL)
    assert (stopped.pid, stopped.exit_code, stopped.escalated) == (pid, -signal.SIGKILL, False)
    assert stopped.sent_ns
    assert stopped.ended_ns
    assert stopped.sent_ns <= stopped.ended_ns
    assert not psutil.pid_exists(pid or 0)
    time.sleep(1.0)
    status = supervised.status("one")
    assert (status.state, status.pid, status.restarts) == (ServiceState.STOPPED, None, 0)
    assert supervised.stop("one").pid is None
    started = supervised.start("one")
    assert not started.already
    assert started.healthy_ns
    assert started.healthy_ns > started.started_ns > stopped.ended_ns
    assert supervised.start("one").already


def kill_one(supervised: Supervised) -> None:
    """Kill service "one" and wait until the supervisor has noticed."""
    process = supervised.status("one").process
    assert process
    process.send(signal.SIGKILL)
    supervised.wait(lambda: supervised.status("one").pid != process.pid)


def test_a_stop_during_the_back_off_prevents_the_restart(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    for _ in range(3):  # the third wait is 0.8 s long
        kill_one(supervised)
        if supervised.status("one").restarts < 2:
            supervised.wait(lambda: supervised.status("one").pid)
    assert supervised.stop("one").pid is None
    time.sleep(1.2)
    assert supervised.status("one").state is ServiceState.STOPPED


def test_a_service_that_ignores_sigterm_is_killed_after_its_limit(supervise: Supervise) -> None:
    supervised = supervise(one=_service("deaf"))
    supervised.wait_up()
    left = supervised.stop("one", signal.SIGTERM, wait_s=0.3)
    assert left.ended_ns is None
    stopped = supervised.stop("one", signal.SIGTERM, wait_s=0.3, escalate=True)
    assert (stopped.escalated, stopped.exit_code) == (True, -signal.SIGKILL)


def test_a_paused_service_is_unhealthy_and_not_restarted(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    pid = supervised.status("one").pid
    supervised.client.ask(Request(op="signal", service="one", signal=signal.SIGSTOP), Stopped)
    supervised.wait(lambda: supervised.status("one").state is ServiceState.UNHEALTHY)
    assert "no answer" in supervised.status("one").detail
    supervised.client.ask(Request(op="signal", service="one", signal=signal.SIGCONT), Stopped)
    supervised.wait(lambda: supervised.status("one").healthy)
    assert (supervised.status("one").pid, supervised.status("one").restarts) == (pid, 0)


def test_a_paused_service_can_be_stopped(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    supervised.client.ask(Request(op="signal", service="one", signal=signal.SIGSTOP), Stopped)
    assert supervised.stop("one", signal.SIGTERM).exit_code == -signal.SIGTERM


def test_bad_answers_make_it_unhealthy_with_the_answer_as_detail(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    ill = supervised.state.data("one") / "ill"
    ill.touch()
    supervised.wait(lambda: supervised.status("one").state is ServiceState.UNHEALTHY)
    assert supervised.status("one").detail == "HTTP 503: body"
    ill.unlink()
    supervised.wait(lambda: supervised.status("one").healthy)


def test_no_restart_leaves_a_crashed_service_down(supervise: Supervise) -> None:
    supervised = supervise(one=_service(restart="no"))
    supervised.wait_up()
    process = supervised.status("one").process
    assert process
    process.send(signal.SIGKILL)
    supervised.wait(lambda: supervised.status("one").state is ServiceState.STOPPED)
    assert supervised.status("one").detail == "was ended by SIGKILL"


def test_a_service_that_cannot_start_ends_the_platform_and_its_log_is_told(supervise: Supervise) -> None:
    broken = _service(code="import sys; print('no such disk'); sys.exit(7)")
    supervised = supervise(good=_service(), broken=broken)
    error = supervised.error()
    assert "service 'broken' ended with exit code 7 before it was healthy" in error
    assert "no such disk" in error
    assert str(supervised.state.log("broken")) in error
    supervised.wait(lambda: not stragglers(supervised.state))


def test_a_program_that_is_not_there_is_named(supervise: Supervise) -> None:
    supervised = supervise(broken=_service(command=["/nowhere/program"]))
    assert "service 'broken' can't be executed" in supervised.error()


def test_a_service_that_never_becomes_healthy_is_told_with_the_reason(supervise: Supervise) -> None:
    silent = _service(code="import time; time.sleep(100)", start_timeout_s=0.5)
    error = supervise(silent=silent).error()
    assert "service 'silent' isn't healthy after 0.5 s: port" in error
    assert "is closed" in error


def test_a_step_that_fails_ends_the_platform(supervise: Supervise) -> None:
    tasks = {"topics": TaskPlan(command=[sys.executable, "-c", "raise SystemExit('refused')"])}
    error = supervise(tasks, one=_service()).error()
    assert "step 'topics' ended with exit code 1" in error
    assert "refused" in error


def test_no_service_survives_a_sigkill_of_the_supervisor(supervise: Supervise) -> None:
    supervised = supervise(one=_service(), two=_service("deaf"))
    supervised.wait_up()
    pids = [supervised.status(name).pid for name in ("one", "two")]
    supervised.kill_supervisor()
    supervised.wait(lambda: not any(psutil.pid_exists(pid or 0) for pid in pids))
    with pytest.raises(NotRunningError, match="its supervisor was killed"):
        supervised.client.status()


def test_what_a_service_started_ends_with_it(supervise: Supervise) -> None:
    supervised = supervise(one=_service("child"))
    supervised.wait_up()
    children = psutil.Process(supervised.status("one").pid).children()
    assert len(children) == 1
    supervised.stop("one", signal.SIGKILL)
    supervised.wait(lambda: not children[0].is_running())


def test_even_a_process_that_left_its_session_is_found_after_the_supervisors_death(
    supervise: Supervise,
) -> None:
    supervised = supervise(one=_service("stray"))
    supervised.wait_up()
    strays = psutil.Process(supervised.status("one").pid).children()
    supervised.kill_supervisor()
    supervised.wait(lambda: len(stragglers(supervised.state)) == 1)
    assert strays[0].is_running()
    assert end_stragglers(supervised.state) == 1
    assert not strays[0].is_running() or strays[0].status() == psutil.STATUS_ZOMBIE


def test_a_platform_whose_state_folder_is_removed_ends(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    shutil.rmtree(supervised.state.path)
    supervised.wait(lambda: not stragglers(supervised.state))


def test_a_second_supervisor_is_refused(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    with pytest.raises(PlatformError, match="is running already"):
        _start_supervisor(supervised.state)
    assert supervised.status("one").healthy


def test_sigterm_ends_the_supervisor_in_order(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    os.kill(int(supervised.state.supervisor_pid.read_text()), signal.SIGTERM)
    supervised.wait(lambda: not is_running(supervised.state))
    supervised.wait(lambda: not stragglers(supervised.state))
    assert not supervised.state.supervisor_pid.exists()


def test_a_supervisor_that_does_not_answer_is_told_from_none(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    monkeypatch.setattr("chaosp7.platform.control_client._REPLY_TIMEOUT_S", 0.3)
    os.kill(int(supervised.state.supervisor_pid.read_text()), signal.SIGSTOP)
    with pytest.raises(SilentError):
        supervised.client.status()


def test_wrong_requests_get_errors_and_do_no_harm(supervise: Supervise) -> None:
    supervised = supervise(one=_service())
    supervised.wait_up()
    with pytest.raises(PlatformError, match="there is no service 'two'"):
        supervised.stop("two")
    with (
        supervised.state.socket_address() as address,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.connect(address)
        connection.sendall(b"nonsense\n")
        assert "error" in json.loads(connection.makefile().readline())
    assert supervised.status("one").healthy


def test_a_state_folder_with_a_very_long_path_works(tmp_path: Path) -> None:
    state = StateDir(tmp_path / ("long" * 20) / ("longer" * 20))
    try:
        supervised = Supervised(state, {"one": _service()}, {})
        supervised.wait_up()
        assert supervised.status("one").healthy
    finally:
        end_stragglers(state)
