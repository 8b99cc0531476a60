"""What a server of Prefect knows of flow runs, by its REST API: Prefect itself isn't needed for that."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import requests

from chaosp7.errors import ConfigError, MeasurementError
from chaosp7.run.flow_runs import ClockOffset, FlowRun, FlowState

__all__ = ["PrefectApi"]

_TIMEOUT_S: Final = 10.0
_WAITS_S: Final = (0.2, 0.5, 1.0, 0.0)
_PAGE: Final = 200
_UNFINISHED: Final = ("RUNNING", "PENDING", "CANCELLING", "PAUSED")
_RETRY: Final = "AwaitingRetry"
#: So far the server's clock may be past the date of its answer: whole seconds, and uvicorn, which is below
#: Prefect, looks at the clock once a second, or later when it is busy.
_DATE_NS: Final = 3_000_000_000


class PrefectApi:
    """One server; of K2, Prefect Cloud or the embedded platform.

    ``PREFECT_API_KEY`` and ``PREFECT_API_AUTH_STRING`` count as they do for Prefect.

    Args:
        url: of its API, ``http://host:port/api``.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment's has no part in this
        if key := os.environ.get("PREFECT_API_KEY"):
            self._session.headers["Authorization"] = f"Bearer {key}"
        elif pair := os.environ.get("PREFECT_API_AUTH_STRING"):
            self._session.headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"

    def flow_runs(self, since_wall_ns: int, flow: str = "") -> list[FlowRun]:
        """Return the runs that have ended since a moment, or haven't ended.

        Args:
            since_wall_ns: the moment, by the server's clock.
            flow: name of the flow; empty: all flows.

        Raises:
            ConfigError: if there is no such flow.
            MeasurementError: if the server can't be asked, or its answer isn't understood.
        """
        since = datetime.fromtimestamp(since_wall_ns // 1_000_000_000).astimezone().isoformat()
        # What waits for its schedule is no run yet, but what waits for its next try is.
        unfinished = {"operator": "or_", "type": {"any_": _UNFINISHED}, "name": {"any_": [_RETRY]}}
        query: dict[str, Any] = {
            "flow_runs": {"operator": "or_", "end_time": {"after_": since}, "state": unfinished},
            "sort": "ID_DESC",
            "limit": _PAGE,
        }
        if flow:
            query["flows"] = {"name": {"any_": [flow]}}
            self._must_know(flow)
        try:
            return [self._flow_run(told) for told in self._pages("/flow_runs/filter", query)]
        except (KeyError, TypeError, ValueError) as error:
            raise MeasurementError(f"Prefect's answer isn't understood: {error!r}") from error

    def clock_offset(self) -> ClockOffset:
        """Return by how much the server's clock is ahead of this machine's.

        Its answers tell it to within 3 s. A server that is reached on loopback has this machine's clock,
        unless they say that it hasn't.

        Raises:
            MeasurementError: if the server can't be asked.
        """
        before_ns = time.time_ns()
        date = self._ask("GET", "/health").headers.get("Date", "")
        after_ns = time.time_ns()
        try:
            told_ns = int(parsedate_to_datetime(date).timestamp()) * 1_000_000_000
        except ValueError as error:
            raise MeasurementError(f"Prefect's answer has no date: {date!r}") from error
        offset = ClockOffset(told_ns - after_ns, told_ns + _DATE_NS - before_ns)
        local = "//127." in self._url or "//localhost" in self._url
        return ClockOffset(0, 0) if local and offset.least_ns <= 0 <= offset.most_ns else offset

    def _must_know(self, flow: str) -> None:
        if not self._ask("POST", "/flows/filter", {"flows": {"name": {"any_": [flow]}}}).json():
            known = self._ask("POST", "/flows/filter", {"limit": 20}).json()
            names = ", ".join(sorted(str(one["name"]) for one in known)) or "none"
            raise ConfigError(f"Prefect knows no flow {flow!r}; there are: {names}")

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        seen: set[str] = set()
        offset = 0
        while True:
            page = self._ask("POST", path, {**query, "offset": offset}).json()
            # What was added meanwhile moves the pages.
            yield from (one for one in page if one["id"] not in seen)
            seen |= {one["id"] for one in page}
            if len(page) < _PAGE:
                return
            offset += len(page)

    def _flow_run(self, told: Mapping[str, Any]) -> FlowRun:
        states = [told["state"]]
        if told["run_count"] > 1 or told["state_name"] == _RETRY:
            # It has had more than one try: how the others ended is only in its history.
            states = self._ask("GET", "/flow_run_states/", {"flow_run_id": told["id"]}).json()
        return FlowRun(str(told["name"]), tuple(_state(one) for one in states))

    def _ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> requests.Response:
        how: dict[str, Any] = {"params" if method == "GET" else "json": content}
        for wait_s in _WAITS_S:
            try:
                answer = self._session.request(method, self._url + path, timeout=_TIMEOUT_S, **how)
            except requests.RequestException as error:
                raise MeasurementError(f"Prefect at {self._url} doesn't answer: {error}") from error
            # So it answers when its database is locked, as SQLite is now and then.
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                break
            time.sleep(wait_s)
        if not answer.ok:
            raise MeasurementError(
                f"Prefect at {self._url} answers {path} with {answer.status_code}: {answer.text[:300]}"
            )
        return answer


def _state(told: Mapping[str, Any]) -> FlowState:
    moment = datetime.fromisoformat(told["timestamp"])
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {told['timestamp']}")
    # A float of so many nanoseconds is off by some hundred.
    wall_ns = int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    return FlowState(str(told["name"]), str(told["type"]), wall_ns, str(told["message"] or ""))
