"""Outages of known length at a real broker and a real ClickHouse are measured within what is stated."""

import time

import pytest

from chaosp7.recovery.recovery import Outcome
from tests.clickhouse_process import ClickHouseProcess
from tests.conftest import Broker
from tests.scripted import TOLERANCE_MS, Measured, Scripted

pytestmark = pytest.mark.alone

REST_S = 1.5


@pytest.fixture(scope="module")
def outages(
    broker: Broker, clickhouse_process: ClickHouseProcess, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Measured]]:
    scripted = Scripted(broker.bootstrap, clickhouse_process, tmp_path_factory.mktemp("known"), "known")
    scripted.start()
    time.sleep(2)
    windows: list[tuple[str, str, int, int]] = []

    def outage(name: str, lengths_s: dict[str, float]) -> None:
        begun = {tier: scripted.withhold(tier, length_s) for tier, length_s in lengths_s.items()}
        time.sleep(max(lengths_s.values()))
        scripted.rest(REST_S)
        fault_ns, end_ns = min(begun.values()), time.monotonic_ns()
        windows.extend((name, tier, begun.get(tier, fault_ns), end_ns) for tier in TOLERANCE_MS)

    tolerance_s = {tier: ms / 1e3 for tier, ms in TOLERANCE_MS.items()}
    for length_s in (0.1, 0.5, 2.0):
        outage("known", {tier: tolerance + length_s for tier, tolerance in tolerance_s.items()})
    outage("one tier", {"silver": 1.0})
    # The second begins while the first is still under way.
    silver_ns = scripted.withhold("silver", 2.0)
    time.sleep(1)
    gold_ns = scripted.withhold("gold", 2.0)
    time.sleep(2)
    scripted.rest(REST_S)
    windows += [
        ("overlap", "silver", silver_ns, time.monotonic_ns()),
        ("overlap", "gold", gold_ns, time.monotonic_ns()),
    ]
    scripted.stop()
    found: dict[str, list[Measured]] = {}
    for name, tier, fault_ns, end_ns in windows:
        found.setdefault(name, []).append(scripted.measured(tier, fault_ns, end_ns))
    return found


def test_every_time_of_every_tier_lies_within_the_stated_uncertainty(
    outages: dict[str, list[Measured]],
) -> None:
    measured = [one for found in outages.values() for one in found]
    assert [wrong for one in measured for wrong in one.outside()] == []
    assert sum(len(one.figures()) for one in measured) >= 60


def test_outages_that_looks_are_frequent_enough_for_are_seen_at_every_tier(
    outages: dict[str, list[Measured]],
) -> None:
    longer = outages["known"][len(TOLERANCE_MS) :]
    assert {one.tier for one in longer if one.found.outcome is Outcome.RECOVERED} == set(TOLERANCE_MS)


def test_an_outage_at_one_tier_is_seen_there_and_overlapping_ones_each_at_its_own(
    outages: dict[str, list[Measured]],
) -> None:
    (silver,) = [one for one in outages["one tier"] if one.tier == "silver"]
    assert silver.found.recovery is not None
    for one, length_s in zip(outages["overlap"], (2, 2), strict=True):
        assert one.found.recovery is not None
        assert one.found.recovery.value_ns + one.found.recovery.uncertainty_ns >= length_s * 1e9
