"""The rule of regressions, and what a history compares with what."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.suite.history import trends
from chaosp7.suite.history_page import page
from chaosp7.suite.trend import AT_LEAST, LAST, Recovery, allowed_s, is_regression
from tests.suite.evidences import evidence, recovery

recoveries = st.builds(Recovery, st.floats(0, 100), st.floats(0, 1))
earlier = st.lists(recoveries, min_size=AT_LEAST, max_size=25)


@given(earlier)
def test_a_run_no_slower_than_one_of_the_last_ten_is_none(runs: list[Recovery]) -> None:
    assert all(is_regression(run, runs) is False for run in runs[-LAST:])


@given(earlier, recoveries)
def test_only_the_last_ten_count(runs: list[Recovery], new: Recovery) -> None:
    assert (
        is_regression(new, runs) == is_regression(new, [Recovery(1e9)] * 5 + runs[-LAST:]) or len(runs) < LAST
    )


@given(earlier, recoveries, st.floats(0, 100))
def test_a_slower_run_is_marked_no_later(runs: list[Recovery], new: Recovery, more_s: float) -> None:
    slower = Recovery(new.seconds + more_s, new.uncertainty_s)
    assert not is_regression(new, runs) or is_regression(slower, runs)


@given(earlier, recoveries, st.floats(0, 10))
def test_more_uncertainty_never_makes_a_regression(
    runs: list[Recovery], new: Recovery, more_s: float
) -> None:
    vaguer = Recovery(new.seconds, new.uncertainty_s + more_s)
    assert is_regression(new, runs) or not is_regression(vaguer, runs)


@given(earlier)
def test_one_that_did_not_recover_is_slower_than_any_time(runs: list[Recovery]) -> None:
    assert is_regression(Recovery(math.inf), runs)
    assert not is_regression(Recovery(math.inf), [Recovery(math.inf)] * LAST)


@given(st.lists(recoveries, max_size=AT_LEAST - 1), recoveries)
def test_too_few_runs_allow_no_judgement(runs: list[Recovery], new: Recovery) -> None:
    assert is_regression(new, runs) is None
    assert allowed_s(runs) is None


def marks(times: list[float]) -> list[bool]:
    runs = [
        evidence(
            f"{i}",
            recoveries=[recovery("topic", *((None, 0.1, "not-recovered") if math.isinf(t) else (t,)))],
            wall_ns=i,
        )
        for i, t in enumerate(times)
    ]
    return [bool(point.regressions) for point in trends(runs)[0].points]


@pytest.mark.parametrize("slow", [9.0, math.inf])
def test_one_slow_run_does_not_hide_the_next(slow: float) -> None:
    usual = [3.0, 3.1, 2.9, 3.05, 3.0]
    assert marks([*usual, slow, 3.0, 9.0, *usual]) == [False] * 5 + [True, False, True] + [False] * 5


def test_what_stays_slower_is_marked_until_it_is_the_usual() -> None:
    found = marks([3.0, 3.1, 2.9, 3.05, 3.0] * 2 + [9.0, 9.1, 8.9, 9.0, 9.1] * 2)
    assert found[:10] == [False] * 10
    assert found[10:14] == [True] * 4
    assert not any(found[16:])


def test_the_page_draws_every_run_its_limit_and_what_is_marked() -> None:
    times = [3.0, 3.1, 2.9, 3.05, 3.0, 9.0, 3.0]
    runs = [evidence(f"{i}", recoveries=[recovery("topic", t)], wall_ns=i) for i, t in enumerate(times)]
    runs.append(
        evidence("gone", verdict="deviated", recoveries=[recovery("topic", None, outcome="not-recovered")])
    )
    runs.append(evidence("no figure", verdict="error"))
    text = page(trends(runs), ["a problem"], {"3"})
    assert [text.count(f'class="{kind}"') for kind in ("run dot", "slow dot", "slow never", "none", "limit")] == [
        6, 1, 1, 1, 3,
    ]  # fmt: skip
    assert 'href="./3/report.html"' in text
    assert 'href="./no%20figure/"' in text
    assert "a problem" in text
    assert "median of 8" in text
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!\./|#|data:)', text)


def test_a_drawn_run_says_how_well_its_recovery_is_known() -> None:
    runs = [
        evidence("one", recoveries=[recovery("topic", 2.0, 0.3)]),
        evidence("other", recoveries=[recovery("topic", None, 4.0, "never-stale")]),
        evidence("gone", recoveries=[recovery("topic", None, outcome="not-recovered")]),
    ]
    text = page(trends(runs), [])
    told = re.findall(r"<title>(.*?)</title>", text.partition("<svg")[2])
    assert told == ["one: 2.00 s ± 0.30", "other: never stale (4.00 s at most)", "gone: not recovered"]


def test_a_page_of_nothing_says_so() -> None:
    assert "No run is kept here." in page([], [])


def test_a_history_marks_the_slow_run_and_only_compares_what_is_alike() -> None:
    times = [3.0, 3.1, 2.9, 3.05, 3.0, 9.0]
    runs = [evidence(f"{i}", recoveries=[recovery("topic", t)], wall_ns=i) for i, t in enumerate(times)]
    (trend,) = trends(runs)
    assert [point.regressions for point in trend.points] == [()] * 5 + [("topic",)]
    assert "slower: topic" in page([trend], [])
    faster_load = [evidence("x", recoveries=[recovery("topic", 9.0)], rate_per_s=1000)]
    assert [t.points[-1].regressions for t in trends(runs[:5] + faster_load)] == [(), ()]
    broken = evidence("x", verdict="error", recoveries=[recovery("topic", 9.0)])
    assert trends([*runs[:5], broken])[0].points[-1].regressions == ()


def test_names_in_the_page_are_text() -> None:
    text = page(trends([evidence(experiment="<script>", verdict="<b>")]), ["<i>"])
    assert not any(tag in text for tag in ("<script>", "<b>", "<i>"))
