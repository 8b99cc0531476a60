"""The orchestrator: did the flow fail where everybody can see it, and does it complete again?

They ask a server of Prefect by its REST API: that of the platform (the service whose part is
``orchestrator``), or another one whose API they are given. Prefect's times are those of its wall clock. On
this machine they are exact but for what the clock was set by during the run; another machine's clock is known
to within 3 s, by its answers. What isn't surely within a time counts as outside of it.
"""

import logging
import time
from dataclasses import dataclass
from typing import Final

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error, ConfigError, MeasurementError, RunError
from chaosp7.platform.model import Part
from chaosp7.run.current import current_run
from chaosp7.run.evidence import ClockAnchor
from chaosp7.run.flow_runs import Clocks, FlowRun, Span, completed_after, failed_during, over
from chaosp7.run.prefect_api import PrefectApi

__all__ = ["failed_flow_runs", "flow_completed_within", "flow_failed_loudly", "flow_runs_in"]

logger = logging.getLogger("chaostoolkit")

#: Prefect's states of what is a run: one that only waits for its schedule or a slot isn't one yet.
_STATES: Final = (
    "Completed", "Cached", "RolledBack", "Failed", "TimedOut", "Crashed", "Cancelled", "Cancelling",
    "Pending", "Running", "Retrying", "AwaitingRetry", "Paused", "Suspended",
)  # fmt: skip


def flow_failed_loudly(flow: str = "", api: str = "") -> bool:
    """Return whether in each fault a run of the flow was seen to fail.

    It has ended Failed, TimedOut or Crashed, or waits for its next try (AwaitingRetry), between the fault's
    verified start and its verified end. Before the method there is nothing to fail: that is True.

    Args:
        flow: name of the flow at Prefect; empty: any.
        api: URL of Prefect's API, ``http://host:port/api``; empty: the platform's own.

    Raises:
        ActivityFailed: if Prefect or one of the faults wasn't seen.
    """
    if _before_the_method():
        return True
    seen = _seen(flow, api)
    loud = True
    for number, fault in seen.faults:
        failures = failed_during(seen.runs, fault, seen.clocks)
        last = failures[-1].message[:200] if failures else ""
        logger.info(
            "fault %d: %d failures at Prefect; the last: %s", number + 1, len(failures), last or "none"
        )
        loud = loud and bool(failures)
    return loud


def flow_completed_within(budget_s: float, flow: str = "", api: str = "") -> bool:
    """Return whether a run of the flow completed soon after each fault. Before the method that is True.

    Args:
        budget_s: seconds from the fault's verified end, the uncertainty of Prefect's clock included.
        flow: name of the flow at Prefect; empty: any.
        api: URL of Prefect's API, ``http://host:port/api``; empty: the platform's own.

    Raises:
        ActivityFailed: if Prefect or one of the faults wasn't seen.
    """
    if _before_the_method():
        return True
    seen = _seen(flow, api)
    in_time = True
    for number, fault in seen.faults:
        at_ns = completed_after(seen.runs, fault.latest_ns, seen.clocks)
        after_s = None if at_ns is None else (at_ns - fault.latest_ns) / 1e9
        words = "none completed" if after_s is None else f"one completed {after_s:.2f} s after its end"
        logger.info("fault %d: %s (uncertain by %.3f s)", number + 1, words, seen.clocks.uncertainty_s)
        in_time = in_time and after_s is not None and after_s <= budget_s
    return in_time


def flow_runs_in(state: str, flow: str = "", api: str = "") -> int:
    """Return how many runs of the flow have ended in a state since the load began, or are in it.

    Args:
        state: as Prefect shows it, in whatever case: ``Completed``, ``Failed``, ``Crashed``, ``TimedOut``,
            ``Running``, ...; or a name of the flow's own that some run has.
        flow: name of the flow at Prefect; empty: any.
        api: URL of Prefect's API, ``http://host:port/api``; empty: the platform's own.

    Raises:
        ActivityFailed: if Prefect has no such state of a run, or wasn't seen, or after the method no run of
            the flow.
    """
    names = [run.state.name.casefold() for run in _seen(flow, api).runs]
    if state.casefold() not in {*map(str.casefold, _STATES), *names}:
        error = ConfigError(f"unknown state of a run {state!r}; there are: {', '.join(_STATES)}")
        raise ActivityFailed(str(error)) from error
    return names.count(state.casefold())


def failed_flow_runs(flow: str = "", api: str = "") -> int:
    """Return how many runs of the flow have ended Failed, TimedOut or Crashed since the load began.

    Args:
        flow: name of the flow at Prefect; empty: any.
        api: URL of Prefect's API, ``http://host:port/api``; empty: the platform's own.

    Raises:
        ActivityFailed: if Prefect wasn't seen, or after the method no run of the flow.
    """
    return sum(run.state.type in {"FAILED", "CRASHED"} for run in _seen(flow, api).runs)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Prefect has seen since the load began, and the faults of the run."""

    runs: list[FlowRun]
    faults: list[tuple[int, Span]]
    clocks: Clocks


def _before_the_method() -> bool:
    try:
        return not current_run().finished
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error


def _seen(flow: str, api: str) -> _Seen:
    try:
        run = current_run()
        orchestrators = run.model.services_of(Part.ORCHESTRATOR)
        if not api and not orchestrators:
            raise RunError(f"platform {run.model.name} has no orchestrator: `api` names one")
        prefect = PrefectApi(api or f"http://{run.driver.endpoint(orchestrators[0])}/api")
        start_ns = run.recorder.source.start_ns
        now = ClockAnchor(monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns())
        clocks = Clocks(run.clock, now, prefect.clock_offset())
        runs = prefect.flow_runs(clocks.wall_ns(start_ns), flow)
        faults = list(over(run.faults))
        if run.finished and not runs:
            raise MeasurementError("Prefect has seen no run of the flow since the load began")
        if run.finished and run.plan.faults_expected and not faults:
            raise MeasurementError("no fault was seen to take effect and to be over")
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    return _Seen(runs, faults, clocks)
