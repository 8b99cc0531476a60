"""The offload as a service: again and again, with its health and its figures on a port."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from chaosp7.embedded.http import (
    HttpEndpoint,
    Request,
    Response,
    error_response,
    json_response,
    metrics_response,
)
from chaosp7.embedded.offload.crash_points import CrashPoints
from chaosp7.embedded.offload.retry import Backoff
from chaosp7.embedded.offload.statistics import Statistics
from chaosp7.errors import ConfigError, OffloadError

__all__ = ["endpoint", "serve"]

#: Without a success for so many cycles the offload isn't healthy.
HEALTHY_CYCLES: Final = 3
#: ... but not within this: one slow cycle is no failure.
HEALTHY_S: Final = 10.0


class _DieAt(msgspec.Struct, forbid_unknown_fields=True):
    step: str


def endpoint(port: int, statistics: Statistics, points: CrashPoints, cycle_s: float) -> HttpEndpoint:
    """Return the HTTP endpoint; it isn't started yet.

    Args:
        port: TCP port; 0: a free one.
        statistics: of the offload.
        points: where it may be told to die.
        cycle_s: from one cycle's start to the next, seconds.
    """
    started = time.monotonic()
    limit_s = max(HEALTHY_S, HEALTHY_CYCLES * cycle_s)

    def health(_: Request) -> Response:
        # Before the first success the clock runs from the start; a platform waits for that success.
        age_s = statistics.age_s()
        healthy = age_s < limit_s
        state = {
            "healthy": healthy,
            "last_success_age_s": age_s if statistics.last_success_ns else None,
            "running_s": time.monotonic() - started,
            "watermarks": statistics.watermarks,
            "consecutive_failures": statistics.consecutive_failures,
            "last_error": statistics.last_error if statistics.consecutive_failures else "",
        }
        return json_response(state, 200 if healthy else 503)

    def metrics(_: Request) -> Response:
        return metrics_response(statistics.metrics())

    def die_at(request: Request) -> Response:
        try:
            points.arm(request.json(_DieAt).step)
        except ConfigError as error:
            return error_response(str(error), 400)
        return json_response({"armed": True})

    routes = {("GET", "/healthz"): health, ("GET", "/metrics"): metrics, ("POST", "/die-at"): die_at}
    return HttpEndpoint(port, routes)


def serve(
    once: Callable[[], bool],
    statistics: Statistics,
    stop: threading.Event,
    cycle_s: float,
    logger: logging.Logger,
) -> None:
    """Offload until told to stop.

    Args:
        once: does it once; True: more is waiting already. It counts its failures itself.
        statistics: of the offload.
        stop: set when it is to end.
        cycle_s: from one beginning to the next, seconds.
        logger: where failures are told.
    """
    backoff = Backoff()
    while not stop.is_set():
        begun = time.monotonic()
        if statistics.consecutive_failures:
            statistics.retries += 1
        try:
            more = once()
        except OffloadError as error:
            # The step and the cause say it; a traceback at every try would bury them.
            logger.error("failure %d in a row: %s", statistics.consecutive_failures, error)  # noqa: TRY400
            stop.wait(backoff.wait_s(statistics.consecutive_failures))
            continue
        if not more:
            # A steady beat: the time of the cycle itself is part of the pause.
            stop.wait(max(0.01, cycle_s - (time.monotonic() - begun)))
