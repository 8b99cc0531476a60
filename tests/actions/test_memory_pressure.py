"""Memory is taken, within bounds, and given back."""

from pathlib import Path

import pytest

from chaosp7.actions.memory_pressure import MemoryPressure
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from chaosp7.stress.helper import helpers
from tests.actions.faulty import carried_out
from tests.lite import HANDLER, Lite


def test_memory_is_held_while_it_lasts(lite: Lite, tmp_path: Path) -> None:
    fault = MemoryPressure(lite.driver, "", 1024, 64, 0.2)
    token = fault.undo[0].target

    def meanwhile() -> None:
        assert len(helpers(token)) == 1

    record = carried_out(fault, tmp_path, meanwhile)
    assert record.proof[0].startswith("64 MiB taken")
    assert helpers(token) == []


def test_a_helper_that_holds_too_little_is_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = MemoryPressure(lite.driver, "", 1024, 64, 0.1)
    monkeypatch.setattr(fault, "inject", lambda: None)
    with pytest.raises(NotVerifiedError, match="holds 0 of 64 MiB"):
        carried_out(fault, tmp_path)


def test_the_reserve_is_never_touched(lite: Lite) -> None:
    with pytest.raises(ConfigError, match="512 or more"):
        MemoryPressure(lite.driver, "", 100, 64, 1)


def test_a_host_without_that_much_memory_is_told_before_anything_is_touched(lite: Lite) -> None:
    with pytest.raises(FaultError, match="nothing can be taken"):
        MemoryPressure(lite.driver, "", 1 << 30, 64, 1)


def test_a_process_without_a_limit_of_its_own_is_told(lite: Lite) -> None:
    with pytest.raises(FaultError, match="no memory limit of its own"):
        MemoryPressure(lite.driver, HANDLER, 16, 64, 1)
