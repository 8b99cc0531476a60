"""A slow disk: for one service, for a while."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from chaosp7.actions.slow_disk import SlowDisk
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from chaosp7.safety.undo import carry_out_undo, is_undone
from chaosp7.stress.throttle import Throttle
from tests.actions.faulty import carried_out
from tests.lite import HANDLER, Lite
from tests.waiting import PATIENCE_S, until

BLKIO = Path("/sys/fs/cgroup/blkio")
BYTES_PER_S = 200_000

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="it takes root to slow a disk down"),
    pytest.mark.skipif(not BLKIO.is_dir(), reason="this kernel has no blkio cgroups"),
]


@pytest.fixture
def on_disk(lite: Lite) -> Lite:
    """The platform, whose data lie on a disk."""
    if os.major(lite.state.stat().st_dev) == 0:
        pytest.skip("the temporary folder isn't on a disk")
    return lite


def slow(lite: Lite, duration_s: float = 0.2) -> SlowDisk:
    return SlowDisk(lite.driver, HANDLER, BYTES_PER_S, duration_s, PATIENCE_S)


def pid(lite: Lite) -> int:
    process = lite.driver.service_status(HANDLER).process
    assert process is not None
    return process.pid


def group_of(process: int) -> Path:
    """Return the folder of a process's cgroup that limits disks."""
    lines = Path(f"/proc/{process}/cgroup").read_text().splitlines()
    (path,) = [line.split(":", 2)[2] for line in lines if "blkio" in line.split(":")[1].split(",")]
    return BLKIO / path.lstrip("/")


def write_s(folder: Path, group: Path) -> float:
    """Write half a second's bytes in a cgroup; return how long it took until they were on the disk."""
    file = folder / "written"
    script = 'echo $$ > "$1/cgroup.procs"; exec dd if=/dev/zero of="$2" bs=100000 count=1 conv=fdatasync status=none'
    begun = time.monotonic()
    subprocess.run(["sh", "-c", script, "sh", str(group), str(file)], check=True, timeout=PATIENCE_S)
    file.unlink()
    return time.monotonic() - begun


def test_a_service_s_disk_is_slow_for_as_long_as_asked(on_disk: Lite, tmp_path: Path) -> None:
    home, process = group_of(pid(on_disk)), pid(on_disk)
    groups: list[Path] = []

    def meanwhile() -> None:
        groups.append(group_of(process))
        assert groups[0] != home
        # 100,000 bytes at 200,000 a second take half a second; the first may pass at once.
        assert write_s(on_disk.driver.data_folder(HANDLER), groups[0]) > 0.25
        # Nobody else is slowed down.
        assert group_of(os.getpid()) != groups[0]

    record = carried_out(slow(on_disk), tmp_path, meanwhile)
    assert record.kind == "slow-disk"
    assert pid(on_disk) == process
    assert group_of(process) == home
    assert not groups[0].exists()


def test_a_service_that_was_started_anew_meanwhile_is_told(on_disk: Lite, tmp_path: Path) -> None:
    def crash() -> None:
        before = pid(on_disk)
        psutil.Process(before).send_signal(signal.SIGKILL)
        until(lambda: on_disk.driver.service_status(HANDLER).pid not in (before, None))

    fault = slow(on_disk)
    with pytest.raises(NotVerifiedError, match="gone before its end"):
        carried_out(fault, tmp_path, crash)
    assert is_undone(fault.undo[0], on_disk.driver)
    until(lambda: on_disk.driver.service_status(HANDLER).healthy)


def test_what_a_dead_runner_has_left_is_taken_off(on_disk: Lite) -> None:
    home = group_of(pid(on_disk))
    fault = slow(on_disk)
    fault.inject()
    (undo,) = fault.undo
    assert not is_undone(undo, on_disk.driver)
    carry_out_undo(undo, on_disk.driver)
    assert is_undone(undo, on_disk.driver)
    assert group_of(pid(on_disk)) == home
    carry_out_undo(undo, on_disk.driver)  # again does no harm


def test_a_limit_that_limits_nothing_is_told(
    on_disk: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Throttle, "_set", lambda _throttle, _bytes_per_s: None)
    with pytest.raises(NotVerifiedError, match="can still be written"):
        carried_out(slow(on_disk), tmp_path)


def test_a_disk_that_is_as_slow_anyway_is_not_slowed_down(
    on_disk: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosp7.actions.slow_disk.written_bytes_per_s", lambda *_: 1.9 * BYTES_PER_S)
    with pytest.raises(FaultError, match="isn't slowed down"):
        carried_out(slow(on_disk), tmp_path)


@pytest.mark.parametrize("bytes_per_s", [0, 65_535, 100_000_001])
def test_a_limit_that_can_not_be_seen_is_refused(on_disk: Lite, bytes_per_s: int) -> None:
    with pytest.raises(ConfigError, match="bytes_per_s"):
        SlowDisk(on_disk.driver, HANDLER, bytes_per_s, 1, 1)
