"""The fault ledger knows what is open, whatever a crash has done to its end."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosp7.errors import HealError
from chaosp7.safety.fault_ledger import FaultLedger, OpenFault
from chaosp7.safety.undo import Undo

UNDO = (Undo("heal-link", "a->b"), Undo("start", "c"))


def opened(ledger: FaultLedger, run: str = "run") -> OpenFault:
    return ledger.open(run, "kill", "c", UNDO, 5)


def test_what_is_opened_is_there_with_all_that_undoes_it(tmp_path: Path) -> None:
    fault = opened(FaultLedger(tmp_path / "x" / "faults.jsonl"))
    (read,) = FaultLedger(tmp_path / "x" / "faults.jsonl").open_faults()
    assert read == fault
    assert read.undo == UNDO
    assert read.deadline_ns - read.opened_ns == 5_000_000_000


def test_a_ledger_that_was_never_written_has_nothing_open(tmp_path: Path) -> None:
    assert FaultLedger(tmp_path / "none").open_faults() == []


#: (whether to open one, or close the n-th of those that are open)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=20), st.integers(0, 200))
def test_open_is_what_was_opened_and_not_closed_also_with_a_torn_end(
    tmp_path: Path, steps: list[int | None], torn_bytes: int
) -> None:
    path = tmp_path / "faults.jsonl"
    path.unlink(missing_ok=True)
    ledger, model = FaultLedger(path), list[OpenFault]()
    for step in steps:
        if step is None:
            model.append(opened(ledger))
        elif model:
            ledger.close(model.pop(step % len(model)), "run")
    assert ledger.open_faults() == model
    last = opened(ledger)
    size = path.stat().st_size
    cut = min(torn_bytes, len(path.read_bytes().splitlines()[-1]))
    with path.open("ab") as file:
        file.truncate(size - cut)
    # Cut by as little as its line's end it was never written: its fault hasn't begun.
    assert ledger.open_faults() == (model if cut else [*model, last])
    again = opened(ledger)
    assert ledger.open_faults()[-1] == again
    assert ledger.open_faults()[: len(model)] == model


def test_faults_are_told_apart_by_run(tmp_path: Path) -> None:
    ledger = FaultLedger(tmp_path / "faults.jsonl")
    one, _ = opened(ledger, "one"), opened(ledger, "other")
    assert ledger.open_faults("one") == [one]


def test_faults_of_an_earlier_boot_are_over(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    fault = opened(FaultLedger(path))
    path.write_text(path.read_text().replace(fault.boot, "0" * len(fault.boot)))
    assert FaultLedger(path).open_faults() == []


def test_a_ledger_that_can_not_be_written_or_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "faults.jsonl").mkdir()
    ledger = FaultLedger(tmp_path / "faults.jsonl")
    with pytest.raises(HealError, match="can't be written"):
        opened(ledger)
    with pytest.raises(HealError, match="can't be read"):
        ledger.open_faults()
