"""Runs a suite: one loop in one thread, which starts, watches, interrupts and judges."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chaosp7.errors import RunError
from chaosp7.run.folder import folder_name
from chaosp7.suite.interrupts import Interrupts
from chaosp7.suite.outcome import JOURNAL, read_outcome
from chaosp7.suite.process import OUTPUT, RunProcess, watchdog_of
from chaosp7.suite.record import SuiteRecord, SuiteRun, write_suite
from chaosp7.suite.view import Row, View

__all__ = ["SuiteRunner"]

_LOOK_EVERY_S = 0.2

#: How long a watchdog may take to clean up after a run that died.
_WATCHDOG_S = 90.0


@dataclass
class _Active:
    row: Row
    process: RunProcess
    lane: int


@dataclass
class SuiteRunner:
    """A suite that is to be run.

    Attributes:
        suite: what is to be run; filled in on the way and kept on disk.
        reports: the folder that each run's folder is made in.
        folder: the suite's own.
        lanes: what is different in the environment of each platform.
        env: what is different in the environment of all runs.
        view: shows it.
        fail_fast: begin no other run after one that isn't passed.
    """

    suite: SuiteRecord
    reports: Path
    folder: Path
    lanes: Sequence[dict[str, str]]
    env: dict[str, str]
    view: View
    fail_fast: bool = False
    _active: list[_Active] = field(default_factory=list)

    def run(self) -> None:
        """Run everything; on the first Ctrl-C only what has begun, on the second not even that.

        Raises:
            OSError: if nothing can be written.
        """
        rows = [Row(record) for record in self.suite.runs]
        waiting = list(rows)
        with Interrupts() as interrupts:
            told = 0
            while waiting or self._active:
                if interrupts.count and told < interrupts.count:
                    told = interrupts.count
                    self.suite.interrupted = True
                    self._tell_interrupt(told)
                failed = any(r.record.verdict not in (None, "passed") for r in rows)
                if interrupts.count or (self.fail_fast and failed):
                    waiting = []
                while waiting and (free := self._free_lanes()):
                    self._begin(waiting.pop(0), free[0])
                for active in list(self._active):
                    self._look(active, interrupts)
                self.view.show(rows)
                if self._active:
                    time.sleep(_LOOK_EVERY_S)
        self.view.show(rows)

    def _tell_interrupt(self, count: int) -> None:
        if count == 1:
            self.view.say("Interrupted: what runs is healed and concluded; once more kills it.")
        else:
            self.view.say("Killed: the watchdog heals. `chaosp7 heal --check` says what is left.")

    def _free_lanes(self) -> list[int]:
        taken = {active.lane for active in self._active}
        return [lane for lane in range(len(self.lanes)) if lane not in taken]

    def _begin(self, row: Row, lane: int) -> None:
        record = row.record
        folder = _make_folder(self.reports, record, numbered=self._repeated(record))
        record.folder, record.lane = folder.name, lane + 1
        record.started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        process = RunProcess(Path(record.file), folder, {**self.env, **self.lanes[lane]})
        row.elapsed_s = 0.0
        self._active.append(_Active(row, process, lane))
        write_suite(self.suite, self.folder)

    def _repeated(self, record: SuiteRun) -> bool:
        return any(other.file == record.file and other is not record for other in self.suite.runs)

    def _look(self, active: _Active, interrupts: Interrupts) -> None:
        row, process = active.row, active.process
        row.elapsed_s = time.monotonic() - process.begun_s
        row.status = process.status() or row.status
        if interrupts.count == 1:
            process.interrupt()
        elif interrupts.count > 1:
            process.kill()
        if process.exit_code is None:
            return
        self._active.remove(active)
        self._end(row, process, interrupts)

    def _end(self, row: Row, process: RunProcess, interrupts: Interrupts) -> None:
        record = row.record
        outcome = read_outcome(process.folder)
        record.verdict, record.reasons = str(outcome.verdict), list(outcome.reasons)
        record.exit_code, record.duration_s = process.exit_code, row.elapsed_s
        if not (process.folder / JOURNAL).exists():
            record.reasons += _last_words(process.folder / OUTPUT)
            self._wait_for_watchdog(process.folder.name, interrupts)
        write_suite(self.suite, self.folder)

    def _wait_for_watchdog(self, run_id: str, interrupts: Interrupts) -> None:
        """A run that died leaves its platform to the watchdog: the next one needs it whole."""
        deadline = time.monotonic() + _WATCHDOG_S
        while watchdog_of(run_id) is not None and time.monotonic() < deadline and interrupts.count < 3:
            time.sleep(_LOOK_EVERY_S)


def _make_folder(reports: Path, record: SuiteRun, *, numbered: bool) -> Path:
    suffix = f"-{record.repetition}" if numbered else ""
    for _ in range(100):
        folder = reports / (folder_name(record.experiment) + suffix)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            time.sleep(0.002)  # its name holds the millisecond
        except OSError as error:
            raise RunError(f"the report's folder can't be made: {error}") from error
        else:
            return folder
    raise RunError(f"no folder can be made for {record.experiment} in {reports}")


def _last_words(output: Path) -> list[str]:
    lines = output.read_text(errors="replace").splitlines()
    said = [line for line in lines if "ERROR" in line or "CRITICAL" in line] or lines
    return [f"it said: {line.strip()}" for line in said[-2:] if line.strip()]
