"""The embedded platform up to the broker: quick to start, and all that faults need."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from chaosp7.platform.driver import Driver
from chaosp7.platform.loader import load
from chaosp7.platform.model import Part, Platform
from tests.waiting import ANSWER_S

__all__ = ["EXCHANGE_LINK", "HANDLER", "KAFKA_LINK", "NAME", "Lite", "lite_platform", "round_trip"]

NAME = "lite"
HANDLER = "feed-handler-kraken"
EXCHANGE_LINK = f"exchange->{HANDLER}"
KAFKA_LINK = f"{HANDLER}->redpanda"

_LEFT_OUT = (Part.CLICKHOUSE, Part.SILVER_PROCESSOR)


def lite_platform(driver: Literal["process", "docker"] = "process") -> Platform:
    """Return the shipped platform without ClickHouse and what needs it."""
    platform = load("embedded")
    services = {name: one for name, one in platform.services.items() if one.part not in _LEFT_OUT}
    return msgspec.structs.replace(
        platform,
        name=NAME if driver == "process" else f"{NAME}-{driver}",
        driver=driver,
        services=services,
        links={name: one for name, one in platform.links.items() if one.client in services},
        tiers={},
        consumer_groups=[],
    )


@dataclass
class Lite:
    """A platform that is up, as faults see it."""

    model: Platform
    driver: Driver
    state: Path


def round_trip(port: int, timeout_s: float = ANSWER_S) -> tuple[float, bytes]:
    """Ask the exchange for a page, through a link.

    Args:
        port: of the link's proxy.
        timeout_s: of each step, seconds.

    Returns:
        How long it took, seconds, and the first bytes of the answer; none if it hung up.

    Raises:
        OSError: if there is no answer.
    """
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = connection.recv(100)
    return time.monotonic() - begun, answer
