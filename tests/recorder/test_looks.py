"""The loop of looks goes on, whatever a look comes upon."""

import logging
import time
from collections.abc import Callable

import pytest

from chaosp7.errors import ReaderError
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.looks import Looks
from tests.waiting import until


class Failing(Looks):
    """Looks that fail for a while, and then succeed."""

    def __init__(self, errors: list[Exception]) -> None:
        self.attention = Attention(60.0, time.monotonic_ns)
        super().__init__("looks", 0.01, self.attention, time.monotonic_ns)
        self.errors = errors
        self.noted: list[str] = []
        self.succeeded = 0

    def _look(self, look_ns: int, *, full: bool) -> float | None:
        del look_ns, full
        if self.errors:
            raise self.errors.pop(0)
        self.succeeded += 1
        return 5.0

    def _failed(self, before_ns: int, after_ns: int, error: str) -> None:
        assert before_ns <= after_ns
        self.noted.append(error)


def ended(looks: Failing, when: Callable[[], bool]) -> Failing:
    looks.start()
    until(when, said=lambda: f"{looks.noted} {looks.is_alive()}")
    looks.stop()
    return looks


def test_a_look_that_fails_is_noted_and_the_next_one_follows_closely() -> None:
    looks = Failing([ReaderError("the server is down"), ReaderError("still")])
    ended(looks, lambda: looks.succeeded > 0)
    assert looks.noted == ["the server is down", "still"]
    assert looks.attention.full


def test_an_error_that_nobody_foresaw_is_noted_too_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    looks = Failing([ZeroDivisionError("a bug"), ZeroDivisionError("a bug"), KeyError("another")])
    with caplog.at_level(logging.ERROR, logger="chaostoolkit"):
        ended(looks, lambda: looks.succeeded > 0)
    assert looks.noted == ["ZeroDivisionError: a bug", "ZeroDivisionError: a bug", "KeyError: 'another'"]
    told = [record for record in caplog.records if record.exc_info]
    assert [record.exc_info[0] for record in told if record.exc_info] == [ZeroDivisionError, KeyError]
