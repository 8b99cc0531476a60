"""One load: an open loop that sends what is due, and never what is not in the ledger."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from chaosp7.account.ledger import LedgerWriter
from chaosp7.embedded.exchange.market import Chunk, Market
from chaosp7.embedded.exchange.server import Hub
from chaosp7.embedded.exchange.timer import Timer
from chaosp7.errors import LedgerError

__all__ = ["Lateness", "Load", "LoadState"]

#: Ticks are at least so far apart: at high rates messages are sent together.
TICK_NS: Final = 500_000
#: After a stall the backlog goes out in ticks of this size, so that control is still heard.
TICK_MESSAGES_MAX: Final = 2_000

_log = logging.getLogger(__name__)


class LoadState(StrEnum):
    """Where a load is in its life."""

    IDLE = "idle"
    RUNNING = "running"
    FINISHING = "finishing"
    FINISHED = "finished"
    FAILED = "failed"


class Lateness:
    """How late messages were handed to the sockets, as a histogram of 20 us steps up to 1 s."""

    _STEP_NS: Final = 20_000
    _STEPS: Final = 50_000

    def __init__(self) -> None:
        self._counts: npt.NDArray[np.int64] = np.zeros(self._STEPS + 1, dtype=np.int64)
        self._max_ns = 0

    def add(self, late_ns: npt.NDArray[np.int64]) -> None:
        """Count messages, by nanoseconds after they were due."""
        steps = np.minimum(late_ns // self._STEP_NS, self._STEPS)
        np.add.at(self._counts, steps, 1)
        self._max_ns = max(self._max_ns, int(late_ns[0]), int(late_ns[-1]))

    def share_within(self, limit_ms: float) -> float:
        """Return the share of messages that were at most so late, 1.0 if there are none.

        Args:
            limit_ms: a multiple of 0.02, at most 1000.
        """
        total = int(self._counts.sum())
        within = int(self._counts[: round(limit_ms * 1e6 / self._STEP_NS)].sum())
        return within / total if total else 1.0

    def summary(self) -> dict[str, float]:
        """Return p50, p99, p999 (upper ends of their steps) and max, ms."""
        total = int(self._counts.sum())
        if not total:
            return {"p50": 0.0, "p99": 0.0, "p999": 0.0, "max": 0.0}
        cumulated = np.cumsum(self._counts)
        result = {}
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
            step = int(np.searchsorted(cumulated, share * total))
            late_ns = self._max_ns if step == self._STEPS else (step + 1) * self._STEP_NS
            result[name] = min(late_ns, self._max_ns) / 1e6
        return result | {"max": self._max_ns / 1e6}


class Load:
    """A load that runs on the event loop until it is told to end, or fails.

    Args:
        market: where the messages come from.
        writer: the ledger; closed by the load.
        hub: where they go.
        start_ns: when the first message is due, CLOCK_MONOTONIC.
        on_end: called once, when the ledger is closed or given up.
    """

    def __init__(
        self, market: Market, writer: LedgerWriter, hub: Hub, start_ns: int, on_end: Callable[[], None]
    ) -> None:
        self.state = LoadState.RUNNING
        self.error: str | None = None
        self.sent = 0
        self.end_ns: int | None = None
        self.late = Lateness()
        self._market = market
        self._writer = writer
        self._hub = hub
        self._on_end = on_end
        self._target: int | None = None
        self._chunk: Chunk = market.next_chunk()
        self._position = 0
        self._timer = Timer(asyncio.get_running_loop(), self._tick)
        self._timer.arm(start_ns)

    @property
    def active(self) -> bool:
        """True while messages may still be sent."""
        return self.state in (LoadState.RUNNING, LoadState.FINISHING)

    def finish(self, messages: int) -> str | None:
        """Stop after exactly so many messages in all.

        Returns:
            None, or why that can't be; the load then goes on as before.
        """
        if not self.active:
            return f"the load is {self.state}, not running"
        if messages < self.sent:
            return f"{self.sent} messages are sent already, more than {messages}"
        self._target = messages
        self.state = LoadState.FINISHING
        if self.sent == messages:
            self._close(LoadState.FINISHED, None)
        return None

    def abort(self, reason: str) -> None:
        """Stop at once; the ledger is closed properly and says what was sent."""
        if self.active:
            self._close(LoadState.FAILED, reason)

    def _tick(self) -> None:
        if not self.active:
            return
        try:
            self._send_due()
        except LedgerError as error:
            self._give_up(str(error))
        except Exception as error:  # noqa: BLE001
            # Without this a defect would leave a load that claims to run and sends nothing.
            _log.exception("the load failed")
            self._give_up(f"{type(error).__name__}: {error}")

    def _send_due(self) -> None:
        now = time.monotonic_ns()
        left = TICK_MESSAGES_MAX
        if self._target is not None:
            left = min(left, self._target - self.sent)
        due_ns = self._chunk.due_ns[self._position]
        while left > 0 and due_ns <= now:
            begin = self._position
            end = min(len(self._chunk), begin + left)
            if self._chunk.due_ns[end - 1] > now:
                end = int(np.searchsorted(self._chunk.records["intended_ns"], now, side="right"))
                end = min(end, begin + left)
            self._send(begin, end)
            left -= end - begin
            if end == len(self._chunk):
                self._chunk = self._market.next_chunk()
                end = 0
            self._position = end
            due_ns = self._chunk.due_ns[end]
        if self.sent == self._target:
            self._close(LoadState.FINISHED, None)
        else:
            self._timer.arm(max(due_ns, now + TICK_NS))

    def _send(self, begin: int, end: int) -> None:
        """Write ahead, then send. Nothing else runs in between, so `reached` stays true."""
        self._hub.prune()
        records = self._chunk.records[begin:end]
        records["reached"] = self._hub.reach[records["feed"]]
        records["sent_ns"] = time.monotonic_ns()
        self._writer.append(records)
        self.sent += end - begin
        self._hub.send(self._chunk, begin, end)
        self.late.add(time.monotonic_ns() - records["intended_ns"])

    def _close(self, state: LoadState, reason: str | None) -> None:
        self._timer.close()
        self.end_ns = time.monotonic_ns()
        try:
            self._writer.close(self.end_ns)
        except LedgerError as error:
            state, reason = LoadState.FAILED, str(error)
        self._end(state, reason)

    def _give_up(self, reason: str) -> None:
        self._timer.close()
        self.end_ns = time.monotonic_ns()
        self._writer.abandon()
        self._end(LoadState.FAILED, reason)

    def _end(self, state: LoadState, reason: str | None) -> None:
        self.state, self.error = state, reason
        if reason is not None:
            _log.error("the load failed after %d messages: %s", self.sent, reason)
        else:
            _log.info("the load ended after %d messages", self.sent)
        self._on_end()
