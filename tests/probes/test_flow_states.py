"""Runs of a flow are counted by the state that is meant, and one that isn't there is no 0."""

from types import SimpleNamespace

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosp7.run.flow_runs import FlowRun, FlowState
from probes import orchestrator


@pytest.fixture(autouse=True)
def _seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect has seen seven runs fail, one run out of time, and one end as the flow calls it."""
    states = [("Failed", "FAILED")] * 7 + [("TimedOut", "FAILED"), ("Nothing new", "COMPLETED")]
    runs = [FlowRun("run", (FlowState(name, kind, 0),)) for name, kind in states]
    monkeypatch.setattr(orchestrator, "_seen", lambda _flow, _api: SimpleNamespace(runs=runs))


@pytest.mark.parametrize(
    ("state", "count"),
    [
        ("Failed", 7),
        ("failed", 7),
        ("FAILED", 7),
        ("timedout", 1),
        ("Crashed", 0),
        ("awaitingretry", 0),
        ("nothing new", 1),
    ],
)
def test_a_state_is_the_same_in_whatever_case(state: str, count: int) -> None:
    assert orchestrator.flow_runs_in(state) == count


# What only waits for its schedule is never among the runs: it would always be 0.
@pytest.mark.parametrize("state", ["Fialed", "", "Scheduled", "Late"])
def test_a_state_that_no_run_can_have_is_refused(state: str) -> None:
    words = f"unknown state of a run '{state}'; there are: Completed, .*Failed, TimedOut, Crashed"
    with pytest.raises(ActivityFailed, match=words):
        orchestrator.flow_runs_in(state)
