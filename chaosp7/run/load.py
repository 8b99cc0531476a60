"""The client of the exchange simulator's control: start the load, end it at an exact count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from chaosp7.account.feeds import Feed
from chaosp7.errors import MeasurementError

__all__ = ["Load", "LoadStatus"]

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class LoadStatus:
    """What the source says of its load.

    Attributes:
        state: ``idle``, ``running``, ``finishing``, ``finished`` or ``failed``.
        sent: messages sent so far.
        start_ns: when the first message was due, monotonic.
        end_ns: when the last one was sent, once it has finished.
        late_ms: quantile -> how much later than due, milliseconds.
        clients: exchange -> connected feed handlers.
    """

    state: str
    error: str | None
    sent: int
    start_ns: int
    end_ns: int | None
    late_ms: dict[str, float]
    clients: dict[str, int]


class Load:
    """One load: messages at a fixed rate, on schedule whatever happens (open loop).

    Args:
        control_url: the exchange simulator's control endpoint, ``http://127.0.0.1:PORT``.
        rate_per_s: messages per second, over all feeds.
        seed: of the generated trades.
    """

    def __init__(self, control_url: str, rate_per_s: float, seed: int) -> None:
        self._control_url = control_url
        self._url = f"{control_url}/load"
        self.rate_per_s = rate_per_s
        self.seed = seed
        self._session = requests.Session()
        # A proxy of the environment must not stand between this machine and itself.
        self._session.trust_env = False

    def next_sequences(self) -> dict[Feed, int]:
        """Return the sequence with which each feed's next load will begin.

        Raises:
            MeasurementError: if the source isn't there, or has a load already.
        """
        answer = self._ask("GET", f"{self._control_url}/sequences")
        return {Feed(exchange, symbol): number for exchange, symbol, number in answer["next"]}

    def start(self, run_id: str, ledger: Path) -> LoadStatus:
        """Begin to send.

        Args:
            run_id: goes into the ledger.
            ledger: the file to write; must not be there yet.

        Raises:
            MeasurementError: if the source refuses or isn't there.
        """
        body = {
            "run_id": run_id,
            "ledger": str(ledger.resolve()),
            "rate_per_s": self.rate_per_s,
            "seed": self.seed,
        }
        self._ask("POST", self._url, body)
        return self.status()

    def status(self) -> LoadStatus:
        """Return how far it is.

        Raises:
            MeasurementError: if the source isn't there.
        """
        answer = self._ask("GET", self._url)
        return LoadStatus(
            state=answer["state"],
            error=answer.get("error"),
            sent=answer.get("sent") or 0,
            start_ns=answer.get("load_start_ns") or 0,
            end_ns=answer.get("end_ns"),
            late_ms=answer.get("late_ms") or {},
            clients=answer.get("clients") or {},
        )

    def checked_status(self) -> LoadStatus:
        """Return how far it is, and raise if it has failed.

        Raises:
            MeasurementError: if the load failed (a full disk under the ledger, for one).
        """
        status = self.status()
        if status.state not in {"running", "finishing", "finished"}:
            raise MeasurementError(f"the source stopped sending ({status.state}): {status.error}")
        return status

    def finish(
        self,
        messages: int,
        sleep: Callable[[float], None],
        on_progress: Callable[[LoadStatus], None] = lambda _: None,
    ) -> LoadStatus:
        """Have the load end after exactly this many messages, and wait until it has.

        Args:
            messages: in all, from the load's start.
            sleep: how to wait, seconds.
            on_progress: called about ten times a second.

        Raises:
            MeasurementError: if the load failed on the way.
        """
        self._ask("POST", f"{self._url}/finish", {"messages": messages})
        while True:
            status = self.checked_status()
            on_progress(status)
            if status.state == "finished":
                return status
            sleep(0.1)

    def abort(self) -> None:
        """Stop sending at once; nothing happens if it has ended already."""
        self._ask("POST", f"{self._url}/abort", {})

    def _ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = self._session.request(method, url, json=body, timeout=_TIMEOUT_S)
            answer: dict[str, Any] = response.json()
        except (requests.RequestException, ValueError) as error:
            raise MeasurementError(f"the exchange simulator doesn't answer: {error}") from error
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise MeasurementError(
                "the exchange simulator that runs is of another version: take the platform down and up again"
            )
        if not response.ok:
            raise MeasurementError(f"the exchange simulator refused: {answer.get('error', answer)}")
        return answer
