"""The offload as a flow of Prefect: each run is registered at its server, and ends there as it ended here.

The tries within a run are ours, not Prefect's: they go on while its server is away, wait longer each time
and with jitter, and count in the metrics. A run has failed when its last try has; Prefect shows it Failed at
once, with step and cause.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import prefect
from prefect.exceptions import PrefectSignal
from prefect.runtime import flow_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed, Failed

from chaosp7.embedded.offload.cycle import Offload
from chaosp7.embedded.offload.flow import Settings, drain, flow
from chaosp7.embedded.offload.registered import TAG, own_tag, settle
from chaosp7.embedded.offload.statistics import Statistics
from chaosp7.errors import OffloadError

__all__ = ["FLOW", "RegisteredOffload", "offload"]

#: What the flow is called at Prefect.
FLOW: Final = "offload"

_log = logging.getLogger(__name__)
# It tells each request, and a run has some ten.
logging.getLogger("httpx").setLevel(logging.WARNING)


@prefect.flow(name=FLOW)  # type: ignore[untyped-decorator]  # Prefect isn't among the locked packages
def offload(
    clickhouse: str, catalog: dict[str, str], folder: str, watermarks: str = "", tries: int = 4
) -> Any:  # a state of Prefect's
    """Offload everything that is there now: for `serve`, `deploy` or a flow of one's own.

    Prefect keeps the parameters where everybody can read them: secrets come from the environment.

    Args:
        clickhouse: ClickHouse's HTTP port, ``host:port``.
        catalog: PyIceberg's properties of the catalog, without secrets.
        folder: for its watermarks, if they are a file.
        watermarks: ``postgresql://...``, or empty for a file in the folder.
        tries: how often a cycle is tried before the run has failed.

    Returns:
        The state that the run ends in.
    """
    try:
        return _completed(flow(Settings(clickhouse, catalog, Path(folder), watermarks), tries))
    except OffloadError as error:
        return Failed(message=str(error))


class RegisteredOffload:
    """Runs an offload in this process, each time as a run that Prefect knows of.

    While the server can't be reached nothing is offloaded: a run that nobody sees would be a silent one. If
    it goes away during a run, the run goes on to its end, and Prefect is told when it is back.

    Args:
        offload: what is run; its statistics count what fails at Prefect, too.
        tries: how often a cycle is tried before a run has failed.
        stop: set when no more is to be begun.
    """

    def __init__(self, offload: Offload, tries: int, stop: threading.Event) -> None:
        self._offload = offload
        self._tries = tries
        self._stop = stop
        self._tags = (TAG, own_tag())
        self._outcomes: dict[UUID, Any] = {}
        self._flow = prefect.flow(name=FLOW, validate_parameters=False)(self._body)
        self.failed = False

    def run(self) -> bool:
        """Run it once; a run that fails is told to Prefect and in the log, and `failed` is set.

        Returns:
            False: a run ends when nothing is left to do.

        Raises:
            OffloadError: if the run can't be registered, or its end can't be told.
        """
        self.failed = True
        step = "settle what is left at Prefect"
        outcomes = len(self._outcomes)
        try:
            # The thread of the heartbeats ends on whole seconds, and a run takes less than one.
            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), prefect.tags(*self._tags):
                # None is under way here now: what seems to be is left over.
                for words in settle(self._outcomes):
                    _log.warning("%s", words)
                self._outcomes.clear()
                outcomes = 0
                step = "begin a run at Prefect"
                state = self._flow(return_state=True)
        except (Exception, PrefectSignal) as error:  # its client raises what httpx, pydantic and asyncio do
            if len(self._outcomes) > outcomes:
                step = "tell Prefect how the run ended"
            failure = OffloadError(step, f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
            self._offload.statistics.failed(str(failure))
            raise failure from error
        if not self._outcomes:
            if state.is_failed():
                state.result()  # raises: no failure of the offload's but a mistake in its code
            failure = OffloadError(step, f"it answered {state.name}: {state.message}")
            self._offload.statistics.failed(str(failure))
            raise failure
        self._outcomes.clear()
        self.failed = not state.is_completed()
        return False

    def _body(self) -> Any:
        outcome: Any
        try:
            outcome = _completed(
                drain(self._offload, self._tries, sleep=self._wait, stopped=self._stop.is_set)
            )
        except OffloadError as error:
            outcome = Failed(message=str(error))
        self._outcomes[UUID(flow_run.id)] = outcome
        return outcome

    def _wait(self, seconds: float) -> None:
        self._stop.wait(seconds)


def _completed(statistics: Statistics) -> Any:
    at = ", ".join(f"{table} at batch {watermark}" for table, watermark in statistics.watermarks.items())
    return Completed(message=at or "nothing is there yet")
