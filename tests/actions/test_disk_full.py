"""A full disk: of the service's own, for a while."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chaosp7.actions.disk_full import DiskFull
from chaosp7.embedded import provision
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from chaosp7.safety.undo import Undo, carry_out_undo, is_undone
from tests.actions.faulty import carried_out
from tests.conftest import up
from tests.lite import HANDLER, Lite, lite_platform
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="it takes root to mount a disk")


@pytest.fixture(scope="module")
def bounded(parts: provision.Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """A platform whose handler has a disk of 16 MiB."""
    del parts  # only have to be there
    model = lite_platform()
    handler = msgspec.structs.replace(model.services[HANDLER], disk_mb=16)
    model = msgspec.structs.replace(model, name="bounded", services={**model.services, HANDLER: handler})
    state = tmp_path_factory.mktemp("bounded")
    yield from up(model, state)
    assert "bounded" not in Path("/proc/mounts").read_text()  # nothing is left mounted


def write(folder: Path) -> int:
    """Write 1 MiB; return the error's number, 0 if there was none."""
    file = folder / "data"
    try:
        file.write_bytes(bytes(1 << 20))
    except OSError as error:
        return error.errno or -1
    finally:
        file.unlink(missing_ok=True)
    return 0


def test_a_full_disk_takes_no_byte_and_then_takes_them_again(bounded: Lite, tmp_path: Path) -> None:
    folder = bounded.driver.data_folder(HANDLER)
    seen = []
    assert write(folder) == 0
    carried_out(DiskFull(bounded, HANDLER, 0, 0.2, PATIENCE_S), tmp_path, lambda: seen.append(write(folder)))
    assert seen == [errno.ENOSPC]
    assert write(folder) == 0
    assert not list(folder.iterdir())


def test_what_is_to_be_left_is_left(bounded: Lite, tmp_path: Path) -> None:
    folder = bounded.driver.data_folder(HANDLER)
    seen = []
    carried_out(DiskFull(bounded, HANDLER, 2, 0.2, PATIENCE_S), tmp_path, lambda: seen.append(write(folder)))
    assert seen == [0]


def test_somebody_who_makes_room_is_told(bounded: Lite, tmp_path: Path) -> None:
    folder = bounded.driver.data_folder(HANDLER)

    def make_room() -> None:
        for file in folder.iterdir():
            file.unlink()

    with pytest.raises(NotVerifiedError, match="gone before its end"):
        carried_out(DiskFull(bounded, HANDLER, 0, 0.2, PATIENCE_S), tmp_path, make_room)


def test_a_disk_that_still_takes_bytes_is_not_verified(
    bounded: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiskFull, "_fill", lambda _fault: None)
    with pytest.raises(NotVerifiedError, match="are still free"):
        carried_out(DiskFull(bounded, HANDLER, 0, 0.2, PATIENCE_S), tmp_path)


def test_the_machines_own_disk_is_never_filled(bounded: Lite) -> None:
    with pytest.raises(FaultError, match="no disk of its own"):
        DiskFull(bounded, "redpanda", 0, 1, 1)
    with pytest.raises(ConfigError, match="leave_mb"):
        DiskFull(bounded, HANDLER, -1, 1, 1)


def test_what_a_dead_runner_has_left_is_removed(bounded: Lite) -> None:
    undo = Undo("remove-ballast", HANDLER)
    DiskFull(bounded, HANDLER, 0, 1, 1).inject()
    assert not is_undone(undo, bounded.driver)
    carry_out_undo(undo, bounded.driver)
    assert is_undone(undo, bounded.driver)


def test_a_disk_that_is_not_mounted_is_not_filled(bounded: Lite, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = DiskFull(bounded, HANDLER, 0, 1, 1)
    monkeypatch.setattr("chaosp7.actions.disk_full.is_bounded", lambda _folder: False)
    with pytest.raises(FaultError, match="own disk would be filled"):
        fault.inject()
