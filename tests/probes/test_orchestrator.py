"""The orchestrator's probes against a real Prefect server, with runs that were brought into each state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from chaoslib.exceptions import ActivityFailed

from chaosp7.platform.loader import load
from chaosp7.run.evidence import ClockAnchor, FaultRecord
from chaosp7.run.prefect_api import PrefectApi
from probes import orchestrator
from tests.cold import free_port
from tests.prefect_server import PrefectServer
from tests.waiting import ANSWER_S, PATIENCE_S

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    process = PrefectServer(tmp_path_factory.mktemp("prefect"))
    yield process
    process.close()


class Orchestrated:
    """A run with faults, and runs of a flow of its own at a server."""

    def __init__(self, server: PrefectServer) -> None:
        self.api = server.api
        self.flow = f"flow-{time.monotonic_ns()}"
        self._flow_id = self.post("/flows/", name=self.flow)["id"]
        self.faults: list[FaultRecord] = []
        self.run = SimpleNamespace(
            finished=True,
            faults=self.faults,
            model=load("embedded-prefect"),
            plan=SimpleNamespace(faults_expected=1),
            clock=ClockAnchor(monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns()),
            recorder=SimpleNamespace(source=SimpleNamespace(start_ns=time.monotonic_ns())),
            driver=SimpleNamespace(endpoint=lambda _service: f"127.0.0.1:{server.port}"),
        )

    def post(self, path: str, **content: Any) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = requests.post(self.api + path, json=content, timeout=ANSWER_S)
            if (
                answer.status_code != 503 or time.monotonic() > deadline
            ):  # its database is locked for a moment
                break
            time.sleep(0.1)
        assert answer.ok, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def begin(self) -> str:
        run_id: str = self.post("/flow_runs/", flow_id=self._flow_id, state={"type": "PENDING"})["id"]
        self.enter(run_id, "RUNNING", "Running")
        return run_id

    def enter(self, run_id: str, kind: str, name: str, message: str = "") -> None:
        state = {"type": kind, "name": name, "message": message}
        self.post(f"/flow_runs/{run_id}/set_state", state=state, force=True)

    def ends(self, kind: str, name: str) -> None:
        self.enter(self.begin(), kind, name, f"it is {name}")

    def fault(self, during: Any = lambda: None) -> None:
        start_ns = time.monotonic_ns()
        during()
        end_ns = time.monotonic_ns()
        self.faults.append(
            FaultRecord(kind="kill", target="minio", verified_start_ns=start_ns, verified_end_ns=end_ns)
        )


@pytest.fixture
def at(server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Orchestrated:
    found = Orchestrated(server)
    monkeypatch.setattr(orchestrator, "current_run", lambda: found.run)
    return found


@pytest.mark.parametrize(
    ("kind", "name", "loud"),
    [
        ("FAILED", "Failed", True),
        ("FAILED", "TimedOut", True),
        ("CRASHED", "Crashed", True),
        ("SCHEDULED", "AwaitingRetry", True),
        ("COMPLETED", "Completed", False),
        ("CANCELLED", "Cancelled", False),
    ],
)
def test_a_run_that_fails_while_the_fault_lasts_is_loud(
    at: Orchestrated, kind: str, name: str, loud: bool
) -> None:
    at.fault(lambda: at.ends(kind, name))
    assert orchestrator.flow_failed_loudly(at.flow) is loud
    assert orchestrator.flow_runs_in(name, at.flow) == 1
    assert orchestrator.failed_flow_runs(at.flow) == (kind in {"FAILED", "CRASHED"})


def test_a_retry_that_completes_in_the_end_was_loud_all_the_same(at: Orchestrated) -> None:
    run_id = at.begin()
    at.fault(lambda: at.enter(run_id, "SCHEDULED", "AwaitingRetry"))
    at.enter(run_id, "RUNNING", "Retrying")
    at.enter(run_id, "COMPLETED", "Completed")
    told = PrefectApi(at.api).flow_runs(0, at.flow)
    assert orchestrator.flow_failed_loudly(at.flow), (told, at.faults, at.run.clock)
    assert (orchestrator.failed_flow_runs(at.flow), orchestrator.flow_runs_in("Completed", at.flow)) == (0, 1)


def test_each_fault_must_be_loud_and_failures_beside_it_do_not_count(at: Orchestrated) -> None:
    at.fault(lambda: at.ends("FAILED", "Failed"))
    assert orchestrator.flow_failed_loudly(at.flow)
    at.ends("FAILED", "Failed")
    at.fault()
    at.ends("FAILED", "Failed")
    assert not orchestrator.flow_failed_loudly(at.flow)


def test_a_run_must_complete_after_each_fault_and_in_time(at: Orchestrated) -> None:
    at.fault(lambda: at.ends("COMPLETED", "Completed"))
    assert not orchestrator.flow_completed_within(60, at.flow)
    at.ends("COMPLETED", "Completed")
    assert orchestrator.flow_completed_within(60, at.flow)
    assert not orchestrator.flow_completed_within(0, at.flow)


def test_before_the_method_nothing_has_failed_and_runs_are_counted(at: Orchestrated) -> None:
    at.run.finished = False
    assert orchestrator.flow_failed_loudly(at.flow)
    assert orchestrator.flow_completed_within(0, at.flow)
    assert orchestrator.failed_flow_runs(at.flow) == 0
    at.ends("FAILED", "Failed")
    assert orchestrator.failed_flow_runs(at.flow) == 1


def test_what_was_not_seen_is_not_said(at: Orchestrated) -> None:
    with pytest.raises(ActivityFailed, match="no run of the flow"):
        orchestrator.failed_flow_runs(at.flow)
    with pytest.raises(ActivityFailed, match=f"no flow 'other'; there are: .*{at.flow}"):
        orchestrator.failed_flow_runs("other")
    at.ends("COMPLETED", "Completed")
    with pytest.raises(ActivityFailed, match="no fault was seen"):
        orchestrator.flow_failed_loudly(at.flow)
    at.fault()
    with pytest.raises(ActivityFailed, match="doesn't answer"):
        orchestrator.failed_flow_runs(at.flow, f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(ActivityFailed, match="answers /health with 404"):
        orchestrator.failed_flow_runs(at.flow, at.api.removesuffix("/api") + "/nowhere")
    at.run.model = load("embedded-cold")
    with pytest.raises(ActivityFailed, match="has no orchestrator"):
        orchestrator.flow_runs_in("Failed", at.flow)
    assert orchestrator.flow_runs_in("Completed", at.flow, at.api) == 1


def test_runs_of_before_the_load_do_not_count_and_those_of_many_pages_do(at: Orchestrated) -> None:
    for _ in range(3):
        at.ends("FAILED", "Failed")
    at.run.finished = False
    time.sleep(1.1)  # Prefect is asked for whole seconds
    at.run.recorder.source.start_ns = time.monotonic_ns()
    for _ in range(205):
        run_id = at.post("/flow_runs/", flow_id=at._flow_id, state={"type": "PENDING"})["id"]
        at.enter(run_id, "COMPLETED", "Completed")
    assert (orchestrator.flow_runs_in("Completed", at.flow), orchestrator.failed_flow_runs(at.flow)) == (
        205,
        0,
    )


def test_a_clock_of_this_machine_is_its_own(at: Orchestrated) -> None:
    assert PrefectApi(at.api).clock_offset() == (0, 0)
