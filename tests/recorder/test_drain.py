"""A tier is drained when nothing moves any more: what is only slow must not pass for lost."""

from collections.abc import Callable

import pytest

from chaosp7.recorder.drain import DrainTimes, drain
from chaosp7.recorder.timeline import Timeline

TIMES = DrainTimes(complete_s=0.5, incomplete_s=20, deadline_s=60)
S = 1_000_000_000


class Platform:
    """Two tiers of one feed with messages 1 to 100, and a clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_ns = 1000 * S
        self.timelines = {name: Timeline(name, [1], self.now_ns) for name in ("topic", "raw")}
        self.events: list[tuple[float, Callable[[], None]]] = []
        self.lag = 0
        self.rows = {"raw": 100}
        self.sampled = True
        self.told: list[list[str]] = []

    def show(self, tier: str, first: int, last: int) -> None:
        self.timelines[tier].add(self.now_ns, self.now_ns, [(0, first, last)])

    def at(self, after_s: float, event: Callable[[], None]) -> None:
        self.events.append((self.now_ns / S + after_s, event))

    def sleep(self, duration_s: float) -> None:
        self.now_ns += round(duration_s * S)
        for due in [event for event in self.events if event[0] <= self.now_ns / S]:
            self.events.remove(due)
            due[1]()
        for timeline in self.timelines.values():
            if self.sampled and timeline.last_error() in (None, "never sampled"):
                timeline.add(self.now_ns, self.now_ns, ())

    def drain(self) -> tuple[list[str], float]:
        start_ns = self.now_ns
        last = {name: [100] for name in self.timelines}
        done = drain(
            self.timelines, last, TIMES, lambda: self.now_ns, self.sleep,
            lambda: self.lag, lambda: dict(self.rows), self.told.append,
        )  # fmt: skip
        return done, (self.now_ns - start_ns) / S


def test_tiers_that_show_everything_are_drained_after_a_short_rest() -> None:
    platform = Platform()
    for tier in ("topic", "raw"):
        platform.show(tier, 1, 100)
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 1.0 <= took_s < 1.5


def test_a_tier_that_moves_again_within_the_rest_is_waited_for() -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 50)
    platform.at(15, lambda: platform.show("raw", 51, 80))
    platform.at(30, lambda: platform.show("raw", 81, 100))
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 30 <= took_s < 31.5


def test_what_is_missing_without_any_lag_is_given_up_after_the_long_rest() -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 99)
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 20 <= took_s < 21


def test_while_consumers_lag_a_silent_tier_is_not_drained() -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 50)
    platform.lag = 50

    def catch_up() -> None:
        platform.show("raw", 51, 100)
        platform.lag = 0

    platform.at(45, catch_up)
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 45 <= took_s < 46.5


def test_consumers_that_never_catch_up_end_in_a_drain_time_out() -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 50)
    platform.lag = 50
    done, took_s = platform.drain()
    assert done == ["topic"]
    assert 60 <= took_s < 61


def test_while_consumers_lag_a_tier_that_shows_everything_may_get_it_once_more() -> None:
    platform = Platform()
    for tier in ("topic", "raw"):
        platform.show(tier, 1, 100)
    platform.lag = 30

    def deliver_again() -> None:
        platform.rows["raw"], platform.lag = 130, 0

    platform.at(25, deliver_again)
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 25.5 <= took_s < 26.5


def test_consumers_that_never_catch_up_end_in_a_time_out_though_everything_is_there() -> None:
    platform = Platform()
    for tier in ("topic", "raw"):
        platform.show(tier, 1, 100)
    platform.lag = 1
    done, _ = platform.drain()
    assert done == ["topic"]


def test_rows_that_come_though_everything_is_there_already_are_waited_for() -> None:
    platform = Platform()
    for tier in ("topic", "raw"):
        platform.show(tier, 1, 100)

    def deliver(more: int) -> Callable[[], None]:
        def do() -> None:
            platform.rows["raw"] += more

        return do

    for step in range(1, 20):
        platform.at(0.4 * step, deliver(1))
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 8.05 <= took_s < 9.1  # the last one, half a second, and what a look costs


@pytest.mark.parametrize(
    ("moving", "drained"), [(["raw"], ["topic"]), (["topic", "raw"], []), (["topic"], [])]
)
def test_rows_that_never_stop_coming_end_in_a_time_out(moving: list[str], drained: list[str]) -> None:
    platform = Platform()
    platform.rows = dict.fromkeys(("topic", "raw"), 100)
    for tier in ("topic", "raw"):
        platform.show(tier, 1, 100)

    def deliver() -> None:
        for tier in moving:
            platform.rows[tier] += 1
        platform.at(0.3, deliver)

    deliver()
    done, took_s = platform.drain()
    assert done == drained
    assert took_s >= 60


def test_as_long_as_a_tier_moves_what_the_next_one_lacks_may_still_come() -> None:
    platform = Platform()
    platform.show("topic", 1, 50)
    platform.show("raw", 1, 50)
    platform.at(10, lambda: platform.show("topic", 51, 100))
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 30 <= took_s < 31


def test_what_is_drained_is_told_again_and_again() -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 99)
    platform.drain()
    assert platform.told[-1] == ["topic", "raw"]
    assert platform.told.count(["topic"]) > 100


def test_a_tier_counts_as_drained_after_the_times_that_the_docs_name() -> None:
    assert DrainTimes() == TIMES


def test_messages_that_come_a_second_time_are_movement() -> None:
    platform = Platform()
    for tier in ("topic", "raw"):
        platform.show(tier, 1, 100)
    platform.at(0.4, lambda: platform.timelines["topic"].moved(platform.now_ns))
    _, took_s = platform.drain()
    assert took_s >= 0.4 + 0.5 + 0.5


def test_what_the_first_tier_lacks_is_not_excused_by_lag() -> None:
    platform = Platform()
    platform.show("topic", 1, 99)
    platform.show("raw", 1, 99)
    platform.lag = 7
    done, _ = platform.drain()
    assert done == ["topic"]


@pytest.mark.parametrize("after_s", [0.0, 0.8])
def test_a_tier_that_can_not_be_read_is_not_drained(after_s: float) -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 100)
    raw = platform.timelines["raw"]
    # At once, or when it has been seen at rest for long enough, but for its rows.
    platform.at(after_s, lambda: raw.add_error(platform.now_ns, platform.now_ns, "connection refused"))
    done, _ = platform.drain()
    assert done == ["topic"]


def test_a_tier_that_nobody_looks_at_any_more_is_not_drained() -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 100)
    platform.sampled = False
    done, _ = platform.drain()
    assert done == []
