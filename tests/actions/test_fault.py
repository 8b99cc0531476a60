"""What all faults have in common: what the evidence and the error call them, and being cut short."""

import threading
import time
from pathlib import Path
from threading import Event

import pytest

from chaosp7.actions._fault import carry_out
from chaosp7.actions._link import LinkFault
from chaosp7.actions.pause import Pause
from chaosp7.errors import NotVerifiedError
from chaosp7.platform.links import Toxic
from chaosp7.run.evidence import FaultRecord
from chaosp7.safety.fault_ledger import FaultLedger
from tests.lite import EXCHANGE_LINK, HANDLER, Lite
from tests.waiting import PATIENCE_S


def test_an_error_calls_a_fault_as_the_evidence_does(lite: Lite, tmp_path: Path) -> None:
    record = FaultRecord(kind="leader-pause", target="topic/0")  # not what the fault calls itself
    fault = Pause(lite.driver, HANDLER, 0.5, PATIENCE_S)
    ledger = FaultLedger(tmp_path / "faults.jsonl")
    threading.Timer(0.2, lambda: lite.driver.resume(HANDLER)).start()
    with pytest.raises(NotVerifiedError, match="leader-pause topic/0: was gone before its end"):
        carry_out(fault, record, ledger, "test", Event())
    assert (record.lasted, record.error is None) == (False, False)
    assert None not in {record.verified_start_ns, record.verified_end_ns}
    assert ledger.open_faults() == []


def test_a_fault_that_is_cut_short_is_healed_at_once_and_says_so(lite: Lite, tmp_path: Path) -> None:
    over = Event()
    threading.Timer(0.3, over.set).start()
    fault = LinkFault(lite, "test", EXCHANGE_LINK, 100, [Toxic("latency", "upstream", {"latency": 1})])
    record = FaultRecord(kind=fault.kind, target=fault.target)
    begun = time.monotonic()
    carry_out(fault, record, FaultLedger(tmp_path / "faults.jsonl"), "test", over)
    assert time.monotonic() - begun < 20
    assert "cut short: the run was ended" in record.proof
    assert record.lasted
    assert lite.driver.links.state(EXCHANGE_LINK).clean
