"""``python -m chaosp7.stress.disk_probe``: write some bytes to a disk, print how long it took."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chaosp7.errors import FaultError

__all__ = ["written_bytes_per_s"]

_TIMEOUT_S = 60.0


def written_bytes_per_s(folder: Path, size_bytes: int, group: str = "") -> float:
    """Return how fast a process can write to a disk.

    Args:
        folder: on the disk; the file in it has no name and is gone with the process.
        size_bytes: how much to write.
        group: folder of the cgroup that the process works in; empty: in this one's.

    Returns:
        Bytes per second, until all lie on the disk.

    Raises:
        FaultError: if it can't write.
    """
    command = [sys.executable, "-P", "-m", "chaosp7.stress.disk_probe"]
    command += [str(folder), str(size_bytes), "--group", group]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
        return size_bytes / float(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        told = str(getattr(error, "stderr", "") or error).strip().rpartition("\n")[2]
        raise FaultError(f"how fast {folder} can be written to can't be measured: {told}") from error


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("size_bytes", type=int)
    parser.add_argument("--group", default="")
    arguments = parser.parse_args()
    data = os.urandom(arguments.size_bytes)
    with tempfile.TemporaryFile(dir=arguments.folder) as file:
        if arguments.group:
            Path(arguments.group, "cgroup.procs").write_text("0")
        begun = time.monotonic()
        file.write(data)
        file.flush()
        os.fdatasync(file.fileno())
        sys.stdout.write(f"{time.monotonic() - begun}\n")


if __name__ == "__main__":
    _main()
