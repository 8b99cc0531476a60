"""What a link's proxy adds to a round trip, measured before the load of each run.

Small requests go to one service in turns directly and through its link. Two that follow each other
are a pair, in which the machine's mood cancels out: the tax is the median of the pairs' differences.
"""

from __future__ import annotations

import http.client
import logging
import math
import time
from collections.abc import Sequence
from contextlib import closing
from statistics import median

from chaosp7.errors import ChaosP7Error
from chaosp7.platform.driver import Driver
from chaosp7.platform.model import Part, Platform
from chaosp7.run.evidence import ProxyTax

__all__ = ["measure_proxy_tax", "tax_of"]

logger = logging.getLogger("chaostoolkit")

_PAIRS = 250
_WARM_UP = 10
_PAIRS_AT_LEAST = 30
_LIMIT_S = 0.9

#: ClickHouse answers it without its engine: nothing is read, written or waited for.
_PATH = "/ping"

#: Of a normal distribution: 95 % lie within so many standard deviations.
_Z95 = 1.96


def measure_proxy_tax(model: Platform, driver: Driver, limit_s: float = _LIMIT_S) -> ProxyTax | None:
    """Measure it at the first link to ClickHouse; takes less than a second.

    Args:
        model: the system under test.
        driver: reaches the service and its link.
        limit_s: stop after so many seconds, with the pairs there are by then.

    Returns:
        The tax; None if there is no such link, or it doesn't answer.
    """
    clickhouse = model.services_of(Part.CLICKHOUSE)
    names = [name for name, link in model.links.items() if link.server in clickhouse]
    if not names:
        return None
    try:
        host, _, port = driver.endpoint(model.link(names[0]).server).rpartition(":")
        return _measure(names[0], (host, int(port)), driver.link_address(names[0]), limit_s)
    except (ChaosP7Error, OSError, http.client.HTTPException) as error:
        logger.warning("The proxy's share of the latency can't be measured: %s", error)
        return None


def _measure(
    link: str, direct_at: tuple[str, int], proxied_at: tuple[str, int], limit_s: float
) -> ProxyTax | None:
    deadline = time.monotonic() + limit_s
    direct_us: list[float] = []
    proxied_us: list[float] = []
    with (
        closing(http.client.HTTPConnection(*direct_at, timeout=limit_s)) as direct,
        closing(http.client.HTTPConnection(*proxied_at, timeout=limit_s)) as proxied,
    ):
        for number in range(_WARM_UP + _PAIRS):
            if time.monotonic() > deadline:
                break
            # Which one is first changes: whoever is second finds the server awake.
            pair = [(direct, direct_us), (proxied, proxied_us)]
            for connection, times_us in pair if number % 2 else reversed(pair):
                took_us = _round_trip_us(connection)
                if number >= _WARM_UP:
                    times_us.append(took_us)
    if len(proxied_us) < _PAIRS_AT_LEAST:
        logger.warning("The proxy's share of the latency isn't measured: the machine is too busy")
        return None
    return tax_of(link, direct_us, proxied_us)


def _round_trip_us(connection: http.client.HTTPConnection) -> float:
    begun_ns = time.perf_counter_ns()
    connection.request("GET", _PATH)
    connection.getresponse().read()
    return (time.perf_counter_ns() - begun_ns) / 1000


def tax_of(link: str, direct_us: Sequence[float], proxied_us: Sequence[float]) -> ProxyTax:
    """Return the tax of pairs of round trips.

    Args:
        link: the link they took.
        direct_us: past the proxy, microseconds.
        proxied_us: through it, one for each of the others.
    """
    differences = sorted(p - d for d, p in zip(direct_us, proxied_us, strict=True))
    n = len(differences)
    # How many of n differences lie below their true median is binomial: so many ranks around the
    # middle hold it with 95 %, whatever the differences' distribution.
    ranks = _Z95 * math.sqrt(n) / 2
    low = differences[max(0, math.floor(n / 2 - ranks))]
    high = differences[min(n - 1, math.ceil(n / 2 + ranks))]
    return ProxyTax(
        link=link,
        n=n,
        direct_us=median(direct_us),
        proxied_us=median(proxied_us),
        added_us=median(differences),
        uncertainty_us=(high - low) / 2,
    )
