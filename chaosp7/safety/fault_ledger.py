"""The write-ahead ledger of faults: on disk before a fault is injected, closed when it is undone.

One line of JSON per event, appended and synced. A line that was cut off by a crash is one whose
fault hasn't begun: the injection waits for the sync.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from chaosp7.errors import HealError
from chaosp7.platform.process_id import ProcessId
from chaosp7.safety.undo import Undo

__all__ = ["FaultLedger", "OpenFault"]


class OpenFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that may be in force.

    Attributes:
        id: of this one.
        run: the run it belongs to.
        kind: the fault's name.
        target: the service or link.
        undo: all steps that undo it, in order.
        opened_ns: when it was written down, monotonic.
        deadline_ns: when it must be over, whatever its run says, monotonic.
        boot: the boot that the times and processes belong to.
        runner: the process that injects it.
    """

    id: str
    run: str
    kind: str
    target: str
    undo: tuple[Undo, ...]
    opened_ns: int
    deadline_ns: int
    boot: str
    runner: ProcessId | None


class _Line(msgspec.Struct, omit_defaults=True):
    event: Literal["opened", "closed"]
    id: str
    by: str = ""
    fault: OpenFault | None = None


class FaultLedger:
    """The ledger of one platform.

    Args:
        path: the file; made when first written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, run: str, kind: str, target: str, undo: Sequence[Undo], max_s: float) -> OpenFault:
        """Write a fault down; returns when it is on the disk.

        Args:
            run: the run's id.
            kind: the fault's name.
            target: the service or link.
            undo: what undoes it.
            max_s: how long it may last before it is undone by force, seconds.

        Raises:
            HealError: if it can't be written: then it must not be injected.
        """
        now_ns = time.monotonic_ns()
        fault = OpenFault(
            id=uuid.uuid4().hex,
            run=run,
            kind=kind,
            target=target,
            undo=tuple(undo),
            opened_ns=now_ns,
            deadline_ns=now_ns + round(max_s * 1e9),
            boot=_boot(),
            runner=ProcessId.of(os.getpid()),
        )
        self._append(_Line(event="opened", id=fault.id, fault=fault))
        return fault

    def close(self, fault: OpenFault, by: str) -> None:
        """Write down that a fault is undone and seen to be so.

        Args:
            fault: the fault.
            by: who undid it: ``run``, ``watchdog`` or ``heal``.

        Raises:
            HealError: if it can't be written.
        """
        self._append(_Line(event="closed", id=fault.id, by=by))

    def open_faults(self, run: str | None = None) -> list[OpenFault]:
        """Return the faults that aren't closed, in the order in which they were opened.

        Those of an earlier boot are left out: what they did ended with it.

        Args:
            run: only those of this run.

        Raises:
            HealError: if the ledger can't be read.
        """
        faults: dict[str, OpenFault] = {}
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise HealError(f"the fault ledger {self.path} can't be read: {error.strerror}") from error
        for text in data.split(b"\n")[:-1]:
            try:
                line = msgspec.json.decode(text, type=_Line)
            except msgspec.DecodeError:
                continue  # cut off by a crash; what came after it begins on a line of its own
            if line.fault is not None:
                faults[line.id] = line.fault
            elif line.event == "closed":
                faults.pop(line.id, None)
        boot = _boot()
        return [fault for fault in faults.values() if fault.boot == boot and run in (None, fault.run)]

    def _append(self, line: _Line) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                data = (b"\n" if torn else b"") + msgspec.json.encode(line) + b"\n"
                if os.write(descriptor, data) != len(data):
                    raise OSError(0, "written only in part")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise HealError(f"the fault ledger {self.path} can't be written: {error.strerror}") from error


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
