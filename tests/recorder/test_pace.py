"""A sampler looks away only for as long as nothing can go unseen."""

from hypothesis import given
from hypothesis import strategies as st

from chaosp7.recorder.pace import Pace

PACE = Pace(full_s=0.05, rest_s=1.0, margin_s=0.3)


def test_with_much_to_spare_it_looks_away_for_its_rest_and_no_longer() -> None:
    assert PACE.away_s(10.0) == 1.0


def test_the_next_look_begins_a_margin_before_the_tiers_can_become_stale() -> None:
    assert PACE.away_s(0.9) == 0.9 - 0.3


def test_tiers_that_are_late_or_nearly_so_are_due_for_full_attention() -> None:
    assert PACE.away_s(0.35) is None
    assert PACE.away_s(-4.0) is None
    assert Pace(full_s=0.25, rest_s=1.0, margin_s=0.5).away_s(0.75) is None


@given(st.floats(-1e6, 1e6))
def test_it_is_never_away_when_a_tier_becomes_stale(spare_s: float) -> None:
    away_s = PACE.away_s(spare_s)
    assert away_s is None or (PACE.full_s < away_s <= spare_s - PACE.margin_s and away_s <= PACE.rest_s)
