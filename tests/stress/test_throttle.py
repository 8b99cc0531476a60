"""A disk's limit as files of a cgroup of version 2; version 1 is tested by the fault, on this kernel."""

from pathlib import Path

import pytest

from chaosp7.errors import FaultError
from chaosp7.stress.throttle import Throttle, disk_of


def test_a_limit_of_version_2_is_set_seen_and_taken_off(tmp_path: Path) -> None:
    limits = tmp_path / "io.max"
    limits.write_text("8:0 rbps=max wbps=1000\n")
    throttle = Throttle(str(tmp_path), "254:0")
    assert not throttle.there()
    throttle.begin(70_000, list)
    assert limits.read_text() == "254:0 rbps=70000 wbps=70000"
    assert throttle.there()
    throttle.lift()
    assert limits.read_text() == "254:0 rbps=max wbps=max"
    assert not throttle.there()


def test_a_group_that_is_gone_has_no_limit_to_take_off(tmp_path: Path) -> None:
    throttle = Throttle(str(tmp_path / "gone"), "254:0", str(tmp_path))
    throttle.lift()
    assert not throttle.there()
    assert not throttle.holds(1)


def test_it_can_be_read_back_from_the_fault_ledger() -> None:
    throttle = Throttle("/group", "254:0", "/home")
    assert Throttle.from_text(throttle.to_text()) == throttle


def test_memory_is_no_disk() -> None:
    with pytest.raises(FaultError, match="isn't on a disk"):
        disk_of(Path("/dev/shm"))
