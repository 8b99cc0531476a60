"""All services go at once, and come back together."""

from pathlib import Path

import pytest

from chaosp7.actions.power_cut import PowerCut
from chaosp7.errors import ConfigError, NotVerifiedError
from chaosp7.platform.process_driver import ServiceState
from tests.actions.faulty import carried_out
from tests.lite import Lite
from tests.waiting import PATIENCE_S


def test_a_power_cut_takes_everything_but_the_exchange_and_gives_it_back(lite: Lite, tmp_path: Path) -> None:
    before = lite.driver.status()

    def meanwhile() -> None:
        now = lite.driver.status()
        up = [name for name, status in now.items() if status.state is not ServiceState.STOPPED]
        assert up == ["exchange"]

    record = carried_out(PowerCut(lite, [], 0.5, PATIENCE_S), tmp_path, meanwhile)
    after = lite.driver.status()
    assert all(status.healthy for status in after.values())
    same = [name for name, status in after.items() if status.pid == before[name].pid]
    assert same == ["exchange"]
    # At once: not one after the other's end.
    last_ns = record.verified_start_ns or 0
    assert last_ns - (record.injected_ns or 0) < 2e9


def test_a_power_cut_of_what_is_dead_already_is_not_verified(lite: Lite, tmp_path: Path) -> None:
    lite.driver.signal_service("redpanda")
    with pytest.raises(NotVerifiedError, match="no process"):
        carried_out(PowerCut(lite, ["redpanda", "toxiproxy"], 0.1, PATIENCE_S), tmp_path)
    assert all(status.healthy for status in lite.driver.status().values())


def test_a_service_that_comes_back_too_early_is_told(lite: Lite, tmp_path: Path) -> None:
    with pytest.raises(NotVerifiedError, match="gone before its end: toxiproxy runs"):
        carried_out(
            PowerCut(lite, ["toxiproxy"], 0.2, PATIENCE_S), tmp_path, lambda: start(lite, "toxiproxy")
        )


def start(lite: Lite, service: str) -> None:
    lite.driver.start(service)


def test_a_service_is_not_named_twice(lite: Lite) -> None:
    with pytest.raises(ConfigError, match="named twice"):
        PowerCut(lite, ["redpanda", "redpanda"], 0.1, PATIENCE_S)
