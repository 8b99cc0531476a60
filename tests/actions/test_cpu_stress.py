"""The service's cores are busy while it lasts, and idle of it afterwards."""

from pathlib import Path

import pytest

from chaosp7.actions.cpu_stress import CpuStress
from chaosp7.errors import ConfigError, NotVerifiedError, PlatformError
from chaosp7.stress.helper import end_helper, helpers
from tests.actions.faulty import carried_out
from tests.lite import HANDLER, Lite

# Busy loops that other tests leave little of the processors aren't verified, and rightly so.
pytestmark = pytest.mark.alone


def test_busy_loops_run_while_it_lasts(lite: Lite, tmp_path: Path) -> None:
    fault = CpuStress(lite.driver, HANDLER, 2, 0.5)
    token = fault.undo[0].target

    def meanwhile() -> None:
        assert len(helpers(token)) == 3

    record = carried_out(fault, tmp_path, meanwhile)
    assert "2 busy loops got" in record.proof[0]
    assert helpers(token) == []


def test_loops_that_get_nothing_are_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = CpuStress(lite.driver, HANDLER, 1, 0.1)
    monkeypatch.setattr(fault, "inject", lambda: None)
    with pytest.raises(NotVerifiedError, match=r"got 0\.00 s"):
        carried_out(fault, tmp_path)


def test_a_helper_that_ends_too_early_is_told(lite: Lite, tmp_path: Path) -> None:
    fault = CpuStress(lite.driver, HANDLER, 1, 0.2)
    with pytest.raises(NotVerifiedError, match="the helper has ended"):
        carried_out(fault, tmp_path, lambda: end_helper(fault.undo[0].target))


@pytest.mark.parametrize("workers", [-1, 65])
def test_workers_out_of_bounds_are_told(lite: Lite, workers: int) -> None:
    with pytest.raises(ConfigError, match="workers is 0 to 64"):
        CpuStress(lite.driver, HANDLER, workers, 1)


def test_an_unknown_service_is_told(lite: Lite) -> None:
    with pytest.raises(PlatformError, match="no service 'nobody'"):
        CpuStress(lite.driver, "nobody", 1, 1)
