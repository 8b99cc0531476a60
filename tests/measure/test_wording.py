"""What a failed assertion says: which messages, when they were sent by the wall clock, who lost them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic_evidence import evidence
from chaosp7.account.feeds import Feed
from chaosp7.account.ranges import SequenceRange
from chaosp7.measure.losses import Named
from chaosp7.measure.wording import clock_span, fate, recovery_text
from chaosp7.run.evidence import ClockAnchor
from chaosp7.run.wall_clock import clock_time

BTC, ETH = Feed("binance", "BTC/USDT"), Feed("kraken", "ETH/USD")
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
#: Monotonic 5 s is noon.
CLOCK = ClockAnchor(monotonic_ns=5_000_000_000, wall_ns=int(NOON.timestamp()) * 1_000_000_000)
S = 1_000_000_000


def seven(**changed: object) -> Named:
    fields: dict[str, object] = {
        "feed": BTC, "ranges": (SequenceRange(1204, 1210),), "left_out": 0, "messages": 7,
        "sent_first_ns": 8 * S + 120_000_000, "sent_last_ns": 8 * S + 184_000_000,
        "first_missing_at": "silver", "cause": "acknowledged",
    }  # fmt: skip
    return Named(**(fields | changed))  # type: ignore[arg-type]


def test_one_range_is_told_in_one_line() -> None:
    assert fate("silver", "lost", 7, 30_000, [seven()], CLOCK) == (
        "7 of 30,000 lost at silver: binance BTC/USDT 1204-1210, sent 12:00:03.120-.184 UTC, "
        "first missing at silver; acknowledged by the broker"
    )


def test_many_ranges_are_shortened_and_say_how_many_more() -> None:
    many = seven(
        feed=ETH,
        ranges=(SequenceRange(1, 2), SequenceRange(4, 4)),
        left_out=14,
        messages=300,
        sent_last_ns=9 * S,
        first_missing_at="topic",
        cause="missed_at_source",
    )
    assert fate("silver", "lost", 307, 30_000, [many, seven()], CLOCK) == (
        "307 of 30,000 lost at silver:\n"
        "  kraken ETH/USD 1-2, 4 and 14 more ranges (300 messages), sent 12:00:03.120-12:00:04.000 UTC, "
        "first missing at topic; received by no feed handler\n"
        "  binance BTC/USDT 1204-1210, sent 12:00:03.120-.184 UTC, "
        "first missing at silver; acknowledged by the broker"
    )


def test_many_feeds_are_shortened_and_no_message_is_left_out_of_the_sum() -> None:
    text = fate("silver", "lost", 140, 30_000, [seven()] * 20, CLOCK)
    assert len(text.splitlines()) == 10
    assert text.endswith("and 84 more messages in 12 more groups of feed and cause")


def test_what_is_not_lost_was_missing_nowhere() -> None:
    text = fate("raw", "duplicated", 7, 30_000, [seven(first_missing_at="", cause="")], CLOCK)
    assert text == "7 of 30,000 duplicated at raw: binance BTC/USDT 1204-1210, sent 12:00:03.120-.184 UTC"


def test_candles_name_no_messages_but_say_how_they_are_counted() -> None:
    assert fate("gold", "lost", 7, 30, [], CLOCK, "by candles") == "7 of 30 lost at gold (by candles)"


@given(st.integers(0, 10**15), st.integers(0, 10**13))
def test_a_moment_is_that_of_the_wall_clock_cut_to_milliseconds(at_ns: int, more_ns: int) -> None:
    moment = NOON + timedelta(microseconds=(at_ns - CLOCK.monotonic_ns) // 1000)
    assert clock_time(at_ns, CLOCK) == moment.strftime("%H:%M:%S.%f")[:-3]
    span = clock_span(at_ns, at_ns + more_ns, CLOCK)
    assert span.startswith(clock_time(at_ns, CLOCK))
    last = clock_time(at_ns + more_ns, CLOCK)
    assert last.endswith(span.removesuffix(" UTC")[-3:])
    if more_ns >= S:
        assert (
            span == f"{clock_time(at_ns, CLOCK)}{'' if last == clock_time(at_ns, CLOCK) else '-' + last} UTC"
        )


def test_a_recovery_beyond_the_budget_says_when_it_began_and_ended() -> None:
    made = evidence(number=0)
    (fault,) = made.faults
    text = recovery_text(made.recovery[0], fault, made.clock, 2)
    begun, again = (clock_time((fault.verified_start_ns or 0) + s * S, made.clock) for s in (0, 3))
    assert text == (
        "topic took 3.00 s ± 0.04 to be fresh again after restart redpanda (budget 2 s): the fault was seen "
        f"to take effect at {begun} UTC, topic fresh again at {again}, stale for 2.50 s in between"
    )
