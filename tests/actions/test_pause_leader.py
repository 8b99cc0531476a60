"""The broker that leads is found by asking the cluster."""

from pathlib import Path

import pytest

from chaosp7.actions.pause_leader import PauseLeader
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from tests.actions.faulty import carried_out
from tests.lite import Lite
from tests.waiting import PATIENCE_S


def test_the_leader_of_a_partition_hangs_and_goes_on(lite: Lite, tmp_path: Path) -> None:
    process = lite.driver.service_status("redpanda").process
    assert process is not None

    def meanwhile() -> None:
        assert process.stopped()

    record = carried_out(PauseLeader(lite, "kraken", 2, 0.5, PATIENCE_S), tmp_path, meanwhile)
    assert record.target == "redpanda"
    assert not process.stopped()


def test_a_leader_that_goes_on_is_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite.driver, "pause", lambda _service: None)
    with pytest.raises(NotVerifiedError, match="isn't stopped"):
        carried_out(PauseLeader(lite, "kraken", 2, 0.1, PATIENCE_S), tmp_path)


def test_a_partition_that_is_not_there_is_told(lite: Lite) -> None:
    with pytest.raises(FaultError, match="no partition 9"):
        PauseLeader(lite, "kraken", 9, 0.5, PATIENCE_S)


def test_an_exchange_that_is_not_there_is_told(lite: Lite) -> None:
    with pytest.raises(ConfigError, match="unknown exchange 'nasdaq'"):
        PauseLeader(lite, "nasdaq", 0, 0.5, PATIENCE_S)
