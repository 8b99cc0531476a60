"""The exchange's HTTP control: start, watch and end a load."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import LedgerHeader, LedgerWriter
from chaosp7.embedded.exchange.load import Load, LoadState
from chaosp7.embedded.exchange.market import Market, Schedule
from chaosp7.embedded.exchange.server import Hub
from chaosp7.embedded.exchange.state import Sequences
from chaosp7.embedded.http import (
    Handler,
    Metric,
    Request,
    Response,
    error_response,
    json_response,
    metrics_response,
    on_loop,
)
from chaosp7.errors import ChaosP7Error, PlatformError

__all__ = ["Control"]

#: Between the order and the first message: time to bring the ledger's header to the disk.
LEAD_NS: Final = 200_000_000
RATE_MAX_PER_S: Final = 100_000
#: A load's start and end wait for the disk.
DISK_TIMEOUT_S: Final = 30.0

_log = logging.getLogger(__name__)


class _Order(msgspec.Struct):
    run_id: str
    ledger: str
    rate_per_s: float
    seed: int


class _Finish(msgspec.Struct):
    messages: int


class Control:
    """Holds the current load; one at a time.

    Args:
        feeds: all feeds.
        hub: the exchanges' clients.
        sequences: where each feed is.
    """

    def __init__(self, feeds: Sequence[Feed], hub: Hub, sequences: Sequences) -> None:
        self._feeds = tuple(feeds)
        self._hub = hub
        self._sequences = sequences
        self._load: Load | None = None
        self._writer: LedgerWriter | None = None
        self._refusal: str | None = None
        self._sent_before = 0

    def routes(self, loop: asyncio.AbstractEventLoop) -> dict[tuple[str, str], Handler]:
        """Return the routes for the endpoint; they run on the loop."""
        return {
            ("GET", "/healthz"): on_loop(loop, self._health),
            ("GET", "/metrics"): on_loop(loop, self._metrics),
            ("GET", "/load"): on_loop(loop, self._status),
            ("GET", "/sequences"): on_loop(loop, self._next_sequences),
            ("POST", "/load"): on_loop(loop, self._start, DISK_TIMEOUT_S),
            ("POST", "/load/finish"): on_loop(loop, self._finish, DISK_TIMEOUT_S),
            ("POST", "/load/abort"): on_loop(loop, self._abort, DISK_TIMEOUT_S),
        }

    def shut_down(self) -> None:
        """End a running load for good; its ledger is closed."""
        if self._load is not None:
            self._load.abort("the exchange was stopped")

    def _start(self, request: Request) -> Response:
        order = request.json(_Order)
        if self._load is not None and self._load.active:
            return error_response(f"a load is {self._load.state}", 409)
        path = Path(order.ledger)
        if not path.is_absolute():
            return error_response("ledger must be an absolute path", 400)
        if not (math.isfinite(order.rate_per_s) and 0 < order.rate_per_s <= RATE_MAX_PER_S):
            return error_response(f"rate_per_s must be more than 0 and at most {RATE_MAX_PER_S}", 400)
        if order.seed < 0 or not order.run_id:
            return error_response("seed must be 0 or more and run_id not empty", 400)
        try:
            self._begin(order, path)
        except ChaosP7Error as error:
            self._load, self._writer, self._refusal = None, None, str(error)
            _log.error("the load can't start: %s", error)
            return error_response(str(error), 507)
        return json_response(self._document(), 201)

    def _begin(self, order: _Order, path: Path) -> None:
        if self._load is not None:
            self._sent_before += self._load.sent
        self._load, self._refusal = None, None
        first = self._sequences.next_of(self._feeds)
        monotonic_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        start_ns = monotonic_ns + LEAD_NS
        header = LedgerHeader(
            run_id=order.run_id,
            seed=order.seed,
            rate_per_s=order.rate_per_s,
            feeds=self._feeds,
            first=first,
            anchor_monotonic_ns=monotonic_ns,
            anchor_wall_ns=wall_ns,
            load_start_ns=start_ns,
        )
        schedule = Schedule(start_ns, order.rate_per_s, wall_ns - monotonic_ns)
        market = Market(self._feeds, first, order.seed, schedule)
        writer = LedgerWriter(path, header)
        try:
            self._sequences.begin(path)
        except PlatformError:
            writer.abandon()
            raise
        self._writer = writer
        self._load = Load(market, writer, self._hub, start_ns, self._ended)
        _log.info("load %s: %g messages/s into %s", order.run_id, order.rate_per_s, path)

    def _ended(self) -> None:
        if self._writer is None:
            return
        try:
            self._sequences.end(dict(zip(self._feeds, self._writer.next_sequences, strict=True)))
        except PlatformError as error:
            _log.error("%s", error)  # a restart finds the sequences in the ledger

    def _finish(self, request: Request) -> Response:
        messages = request.json(_Finish).messages
        if self._load is None:
            return error_response("no load is running", 409)
        refusal = self._load.finish(messages)
        if refusal is not None:
            return error_response(refusal, 409)
        return json_response(self._document())

    def _abort(self, _request: Request) -> Response:
        if self._load is None or not self._load.active:
            return error_response("no load is running", 409)
        self._load.abort("aborted on request")
        return json_response(self._document())

    def _status(self, _request: Request) -> Response:
        return json_response(self._document())

    def _next_sequences(self, _request: Request) -> Response:
        if self._load is not None and self._load.active:
            return error_response(f"a load is {self._load.state}", 409)
        following = zip(self._feeds, self._sequences.next_of(self._feeds), strict=True)
        return json_response({"next": [[feed.exchange, feed.symbol, number] for feed, number in following]})

    def _document(self) -> dict[str, object]:
        load, writer = self._load, self._writer
        document: dict[str, object] = {"clients": self._hub.clients()}
        if load is None or writer is None:
            state = LoadState.IDLE if self._refusal is None else LoadState.FAILED
            return document | {"state": state, "error": self._refusal, "sent": 0}
        return document | {
            "state": load.state,
            "error": load.error,
            "sent": load.sent,
            "run_id": writer.header.run_id,
            "rate_per_s": writer.header.rate_per_s,
            "ledger": str(writer.path),
            "load_start_ns": writer.header.load_start_ns,
            "end_ns": load.end_ns,
            "late_ms": load.late.summary(),
            "share_within_2_ms": load.late.share_within(2.0),
        }

    def _health(self, _request: Request) -> Response:
        return json_response({"clients": self._hub.clients()})

    def _metrics(self, _request: Request) -> Response:
        load = self._load
        sent = self._sent_before + (load.sent if load is not None else 0)
        metrics = [
            Metric(
                "exchange_messages_sent_total", sent, kind="counter", help="Messages sent and in a ledger."
            ),
            Metric("exchange_slow_clients_total", self._hub.slow_clients, kind="counter"),
            Metric("exchange_load_active", int(load is not None and load.active)),
        ]
        metrics += [
            Metric("exchange_clients", count, {"exchange": exchange})
            for exchange, count in self._hub.clients().items()
        ]
        if load is not None:
            metrics += [
                Metric("exchange_late_seconds", late_ms / 1e3, {"quantile": name})
                for name, late_ms in load.late.summary().items()
            ]
        return metrics_response(metrics)
