"""Ask a Kafka broker again while it says that it will know in a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

__all__ = ["patiently"]

#: What a broker answers that has just come up, or just got a topic or group: others look up again, too.
_IN_A_MOMENT: Final = frozenset(
    (
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    )
)
_EVERY_S = 0.2

T = TypeVar("T")


def patiently(
    ask: Callable[[], T],
    within_s: float = 10.0,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Return what a broker answers, asked again while it only isn't ready to.

    Args:
        ask: asks it; asking twice does no harm.
        within_s: for how long, seconds.
        now_s: a clock, seconds.
        sleep: how to wait, seconds.

    Raises:
        KafkaException: any other error at once, these when the time is over.
    """
    deadline_s = now_s() + within_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _IN_A_MOMENT or now_s() >= deadline_s:
                raise
        sleep(_EVERY_S)
