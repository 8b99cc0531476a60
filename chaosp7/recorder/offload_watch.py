"""Watches the offload to the cold tier by its own metrics: what it tells of itself, and when."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import requests

from chaosp7.errors import ChaosP7Error

__all__ = ["OffloadLook", "OffloadWatch", "parse"]

_EVERY_S: Final = 0.25
_TIMEOUT_S: Final = 1.0
_SAMPLE: Final = re.compile(r'^offload_(\w+?)(?:\{table="([^"]+)"\})? ([0-9.eE+-]+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OffloadLook:
    """What the offload told at some moment between two. Times are CLOCK_MONOTONIC.

    Attributes:
        before_ns: when it was asked.
        after_ns: when the answer was there, or it was clear that none comes.
        counters: name -> value, without ``offload_`` and ``_total``; empty if it didn't answer.
        watermarks: table -> how far it has come.
    """

    before_ns: int
    after_ns: int
    counters: Mapping[str, float] = field(default_factory=dict)
    watermarks: Mapping[str, int] = field(default_factory=dict)


def parse(text: str, before_ns: int, after_ns: int) -> OffloadLook:
    """Return what an answer in Prometheus's format says.

    Args:
        text: the answer.
        before_ns: when it was asked for.
        after_ns: when it was there.
    """
    counters: dict[str, float] = {}
    watermarks: dict[str, int] = {}
    for name, table, value in _SAMPLE.findall(text):
        if not table:
            counters[name.removesuffix("_total")] = float(value)
        elif name == "watermark":
            watermarks[table] = int(float(value))
    return OffloadLook(before_ns=before_ns, after_ns=after_ns, counters=counters, watermarks=watermarks)


class OffloadWatch(threading.Thread):
    """Asks the offload four times a second.

    Args:
        endpoint: returns where its metrics are, ``host:port``; may raise an error of ours.
        now_ns: the monotonic clock.
    """

    def __init__(self, endpoint: Callable[[], str], now_ns: Callable[[], int]) -> None:
        super().__init__(name="offload-watch", daemon=True)
        self.looks: list[OffloadLook] = []
        self._endpoint = endpoint
        self._now_ns = now_ns
        self._ended = threading.Event()

    def run(self) -> None:
        """Watch until `stop`."""
        with requests.Session() as session:
            while not self._ended.is_set():
                self.looks.append(self._look(session))
                self._ended.wait(_EVERY_S)

    def stop(self) -> None:
        """End watching; what was seen stays."""
        self._ended.set()
        if self.is_alive():
            self.join()

    def _look(self, session: requests.Session) -> OffloadLook:
        before_ns = self._now_ns()
        try:
            answer = session.get(f"http://{self._endpoint()}/metrics", timeout=_TIMEOUT_S)
        except (requests.RequestException, ChaosP7Error):
            return OffloadLook(before_ns=before_ns, after_ns=self._now_ns())
        return parse(answer.text, before_ns, self._now_ns())
