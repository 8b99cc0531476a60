"""A tier is drained when nothing moves any more: what is only slow must not pass for lost."""

from collections.abc import Callable

import pytest

from chaosp7.errors import ReaderError
from chaosp7.recorder.drain import DrainTimes, drain
from chaosp7.recorder.timeline import Timeline

TIMES = DrainTimes(complete_s=1.5, incomplete_s=20, deadline_s=60)
S = 1_000_000_000


class Platform:
    """Tiers of one feed with messages 1 to 100, and a clock that only sleeping and counting move."""

    def __init__(self, *tiers: str) -> None:
        self.now_ns = 1000 * S
        self.timelines = {name: Timeline(name, [1], self.now_ns) for name in tiers or ("topic", "raw")}
        self.events: list[tuple[float, Callable[[], None]]] = []
        self.lag = 0
        self.rows = {"raw": 100}
        self.sampled = True
        self.told: list[list[str]] = []
        self.topics = ["topic"]
        self.broker_down = self.server_down = False
        self.counting_takes_s, self.counted = 0.0, 0

    def show(self, tier: str, first: int, last: int) -> None:
        self.timelines[tier].add(self.now_ns, self.now_ns, [(0, first, last)])

    def show_again(self, tier: str, first: int, last: int) -> None:
        self.timelines[tier].add(self.now_ns, self.now_ns, [(0, first, last)], known_too=True)

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

    def ask_lag(self) -> int:
        if self.broker_down:
            raise ReaderError("no broker")
        return self.lag

    def count(self) -> dict[str, int]:
        if self.server_down:
            raise ReaderError("no server")
        self.counted += 1
        self.now_ns += round(self.counting_takes_s * S)
        return dict(self.rows)

    def drain(self) -> tuple[list[str], float]:
        start_ns = self.now_ns
        last = {name: [100] for name in self.timelines}
        done = drain(
            self.timelines, last, TIMES, lambda: self.now_ns, self.sleep,
            self.ask_lag, self.count, self.topics, self.told.append,
        )  # fmt: skip
        return done, (self.now_ns - start_ns) / S


def test_tiers_that_show_everything_are_drained_after_a_short_rest() -> None:
    platform = Platform()
    for tier in ("topic", "raw"):
        platform.show(tier, 1, 100)
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 1.5 <= took_s < 2


def test_a_tier_that_moves_again_within_the_rest_is_waited_for() -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 50)
    platform.at(15, lambda: platform.show("raw", 51, 80))
    platform.at(30, lambda: platform.show("raw", 81, 100))
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 31.5 <= took_s < 32


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
    assert 46.5 <= took_s < 47


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
    assert 26.5 <= took_s < 27


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
    assert 9.05 <= took_s < 9.5  # the last one, and a rest


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
    platform.at(0.4, lambda: platform.show_again("topic", 1, 100))
    _, took_s = platform.drain()
    assert took_s >= 0.4 + 1.5


def test_what_the_first_tier_lacks_is_not_excused_by_lag() -> None:
    platform = Platform()
    platform.show("topic", 1, 99)
    platform.show("raw", 1, 99)
    platform.lag = 7
    done, _ = platform.drain()
    assert done == ["topic"]


@pytest.mark.parametrize("after_s", [0.0, 1.4])
def test_a_tier_that_can_not_be_read_is_not_drained(after_s: float) -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 100)
    raw = platform.timelines["raw"]
    # At once, or when it has been seen at rest for nearly long enough.
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


def test_what_comes_again_to_a_tier_may_still_come_to_those_behind_it() -> None:
    platform = Platform("topic", "raw", "silver")
    for tier in platform.timelines:
        platform.show(tier, 1, 100)
    platform.rows = {"raw": 100, "silver": 100}
    platform.at(0.4, lambda: platform.rows.update(raw=110))
    platform.at(1.8, lambda: platform.rows.update(silver=110))
    done, took_s = platform.drain()
    assert done == ["topic", "raw", "silver"]
    assert 3.3 <= took_s < 3.8


def test_a_first_tier_that_consumers_fill_waits_for_them() -> None:
    platform = Platform("raw", "silver")
    for tier in platform.timelines:
        platform.show(tier, 1, 100)
    platform.topics, platform.lag = [], 30
    done, _ = platform.drain()
    assert done == []


def test_a_platform_of_nothing_but_a_topic_waits_for_no_consumer() -> None:
    platform = Platform("topic")
    platform.show("topic", 1, 100)
    platform.lag, platform.rows = 30, {}
    assert platform.drain()[0] == ["topic"]


@pytest.mark.parametrize("what", ["broker_down", "server_down"])
def test_a_question_that_fails_for_a_while_is_asked_again(what: str) -> None:
    platform = Platform()
    for tier in platform.timelines:
        platform.show(tier, 1, 100)
    setattr(platform, what, True)
    platform.at(8, lambda: setattr(platform, what, False))
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 8 <= took_s < 10


@pytest.mark.parametrize("what", ["broker_down", "server_down"])
def test_while_a_question_fails_nothing_is_drained_also_at_the_deadline_and_that_is_said(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    platform = Platform()
    for tier in platform.timelines:
        platform.show(tier, 1, 100)
    setattr(platform, what, True)
    done, took_s = platform.drain()
    assert done == []
    assert took_s >= 60
    assert caplog.text.count("Nobody can tell whether the tiers are at rest: no ") == 1


def test_what_a_topic_gets_while_the_rows_are_counted_is_waited_for() -> None:
    platform = Platform("topic", "other", "raw")
    platform.topics.append("other")
    for tier in platform.timelines:
        platform.show(tier, 1, 100)
    platform.counting_takes_s = 2.0
    count = platform.count

    def a_message_comes_again_meanwhile() -> dict[str, int]:
        rows = count()
        if platform.counted == 2:  # the last count, if nothing came
            platform.show_again("topic", 5, 5)
            platform.lag = 1
            platform.at(20, taken)
            platform.sleep(2.0)  # the count goes on, and nothing more comes
        return rows

    def taken() -> None:
        platform.lag = 0
        platform.rows["raw"] = platform.rows.get("raw", 0) + 1

    platform.count = a_message_comes_again_meanwhile  # type: ignore[method-assign]
    done, took_s = platform.drain()
    assert done == ["topic", "other", "raw"]
    assert took_s > 20


def test_rows_are_counted_for_a_fifth_of_the_time_and_once_more_at_the_end() -> None:
    platform = Platform()
    platform.show("topic", 1, 100)
    platform.show("raw", 1, 99)
    platform.counting_takes_s = 0.5
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 0.1 < platform.counted * 0.5 / took_s < 0.25


def test_a_row_that_comes_after_the_last_count_that_was_due_is_seen() -> None:
    platform = Platform()
    for tier in platform.timelines:
        platform.show(tier, 1, 100)
    platform.counting_takes_s = 0.5  # the next one would be due at 2.5 s
    platform.at(1.9, lambda: platform.rows.update(raw=101))
    _, took_s = platform.drain()
    assert took_s >= 1.9 + 1.5


def test_a_tier_that_was_at_rest_and_can_not_be_read_any_more_is_not_drained() -> None:
    platform = Platform()
    for tier in platform.timelines:
        platform.show(tier, 1, 100)
    platform.lag = 1
    raw = platform.timelines["raw"]
    platform.at(3, lambda: raw.add_error(platform.now_ns, platform.now_ns, "connection refused"))
    platform.at(5, lambda: setattr(platform, "lag", 0))
    assert platform.drain()[0] == ["topic"]


def test_rows_that_were_counted_late_keep_nobody_waiting_for_what_is_missing() -> None:
    platform = Platform()
    platform.show("topic", 1, 99)
    platform.show("raw", 1, 99)
    platform.at(10, lambda: platform.rows.update(raw=99))
    done, took_s = platform.drain()
    assert done == ["topic", "raw"]
    assert 20 <= took_s < 21


def test_rows_that_change_as_the_long_rest_is_over_are_waited_for() -> None:
    platform = Platform()
    platform.show("topic", 1, 99)
    platform.show("raw", 1, 99)
    platform.at(19.9, lambda: platform.rows.update(raw=99))
    _, took_s = platform.drain()
    assert 21.4 <= took_s < 22


def test_rows_are_counted_no_more_often_while_consumers_lag() -> None:
    platform = Platform()
    for tier in platform.timelines:
        platform.show(tier, 1, 100)
    platform.counting_takes_s, platform.lag = 0.5, 1
    _, took_s = platform.drain()
    assert platform.counted * 0.5 / took_s < 0.25
