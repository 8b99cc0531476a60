"""Faults of services: each takes effect, lasts, and is gone again."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from chaosp7.actions._fault import carry_out
from chaosp7.actions._service import ServiceFault
from chaosp7.actions.crash import Crash
from chaosp7.actions.kill import Kill
from chaosp7.actions.pause import Pause
from chaosp7.actions.restart import Restart
from chaosp7.actions.stop import Stop
from chaosp7.errors import ConfigError, FaultError, HealError, NotVerifiedError, PlatformError
from chaosp7.platform.process_driver import ServiceState
from chaosp7.platform.process_id import ProcessId
from chaosp7.run.evidence import FaultRecord
from chaosp7.safety.fault_ledger import FaultLedger
from tests.actions.faulty import carried_out
from tests.lite import HANDLER, Lite
from tests.waiting import PATIENCE_S

DOWN: dict[str, Callable[[Lite], ServiceFault]] = {
    "kill": lambda lite: Kill(lite.driver, HANDLER, 0.5, PATIENCE_S),
    "stop": lambda lite: Stop(lite.driver, HANDLER, 0.5, PATIENCE_S),
    "restart": lambda lite: Restart(lite.driver, HANDLER, "SIGTERM", 0.5, PATIENCE_S),
}


@pytest.mark.parametrize("kind", DOWN)
def test_a_service_is_down_for_as_long_as_asked_and_then_healthy(
    lite: Lite, tmp_path: Path, kind: str
) -> None:
    before = lite.driver.service_status(HANDLER)
    assert before.process is not None
    process = before.process

    def meanwhile() -> None:
        assert not process.alive()
        assert lite.driver.service_status(HANDLER).state is ServiceState.STOPPED

    record = carried_out(DOWN[kind](lite), tmp_path, meanwhile)
    assert record.kind == kind
    assert (record.healed_ns or 0) - (record.verified_start_ns or 0) >= 0.5e9
    after = lite.driver.service_status(HANDLER)
    assert after.healthy
    assert after.pid != before.pid


def test_a_crashed_service_is_brought_back_by_its_supervisor(lite: Lite, tmp_path: Path) -> None:
    before = lite.driver.service_status(HANDLER)
    carried_out(Crash(lite.driver, HANDLER, PATIENCE_S), tmp_path)
    after = lite.driver.service_status(HANDLER)
    assert after.healthy
    assert after.restarts == before.restarts + 1


def test_a_paused_service_keeps_its_process_and_goes_on(lite: Lite, tmp_path: Path) -> None:
    before = lite.driver.service_status(HANDLER)
    assert before.process is not None
    process = before.process

    def meanwhile() -> None:
        assert process.stopped()

    carried_out(Pause(lite.driver, HANDLER, 0.5, PATIENCE_S), tmp_path, meanwhile)
    assert not process.stopped()
    assert lite.driver.service_status(HANDLER).pid == before.pid


def test_a_pause_that_does_nothing_is_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite.driver, "pause", lambda _service: None)
    with pytest.raises(NotVerifiedError, match="isn't stopped"):
        carried_out(Pause(lite.driver, HANDLER, 0.1, PATIENCE_S), tmp_path)


@pytest.mark.parametrize("kind", DOWN)
def test_ending_what_is_dead_already_is_not_verified(lite: Lite, tmp_path: Path, kind: str) -> None:
    lite.driver.signal_service(HANDLER)
    with pytest.raises(NotVerifiedError, match="no process"):
        carried_out(DOWN[kind](lite), tmp_path)
    # Healing was tried all the same.
    assert lite.driver.service_status(HANDLER).healthy


def test_a_crash_of_what_is_dead_already_is_not_verified(lite: Lite, tmp_path: Path) -> None:
    lite.driver.signal_service(HANDLER)
    record = FaultRecord(kind="crash", target=HANDLER)
    try:
        # Nobody starts again what was ended on request: a crash can't be healed then either.
        with pytest.raises(HealError, match="stopped on request"):
            carry_out(
                Crash(lite.driver, HANDLER, 1), record, FaultLedger(tmp_path / "faults"), "test", Event()
            )
    finally:
        lite.driver.start(HANDLER, PATIENCE_S)
    assert record.verified_start_ns is None
    assert "no process that could crash" in (record.error or "")


def test_an_interrupted_fault_is_healed(lite: Lite, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carried_out(Pause(lite.driver, HANDLER, 5, PATIENCE_S), tmp_path, interrupt)
    process = lite.driver.service_status(HANDLER).process
    assert process is not None
    assert not process.stopped()


def test_a_fault_that_can_not_be_written_down_is_not_injected(lite: Lite, tmp_path: Path) -> None:
    (tmp_path / "faults.jsonl").mkdir()
    with pytest.raises(FaultError, match="can't be written"):
        carried_out(Kill(lite.driver, HANDLER, 0.1, PATIENCE_S), tmp_path)
    time.sleep(0.2)
    assert lite.driver.service_status(HANDLER).healthy


def test_a_service_that_is_not_there_and_a_signal_that_does_not_exist_are_refused(lite: Lite) -> None:
    with pytest.raises(PlatformError, match="nobody"):
        Kill(lite.driver, "nobody", 1, 1)
    with pytest.raises(ConfigError, match="SIGHUP"):
        Restart(lite.driver, HANDLER, "SIGHUP", 0, 1)


def test_a_process_tells_whether_it_is_stopped() -> None:
    assert ProcessId(1 << 22, 1).stopped() is False
