"""A test's faults: in force until it has them healed, and gone whatever happens."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosp7.errors import ChaosP7Error, NotVerifiedError
from chaosp7.measure.held import HeldFault, fault_names, inject
from chaosp7.run.current import close_run, open_run
from chaosp7.run.evidence import Budget
from chaosp7.run.plan import RunPlan
from chaosp7.run.run import Run
from chaosp7.safety.guard import Guard
from chaosp7.safety.heal import ledger_of
from tests.lite import EXCHANGE_LINK, HANDLER, Lite
from tests.waiting import until


@pytest.fixture(scope="module")
def watchdog(lite: Lite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guard, Path]]:
    """A watchdog over these tests' faults, and the folder that their run's id is made from."""
    folder = tmp_path_factory.mktemp("held")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAOSP7_STATE_DIR", str(lite.state))
        guard = Guard(lite.driver.name, folder.name, "exchange", take_down=False, log=folder / "watchdog.log")
        guard.start()
    yield guard, folder
    guard.release()


@pytest.fixture
def run(lite: Lite, watchdog: tuple[Guard, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run of which only what faults need has begun: its watchdog."""
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(lite.state))
    guard, folder = watchdog
    run = Run(lite.model, RunPlan("held", 100, 1, 1, 7, Budget(), 10, 0, folder))
    run.folder, run._guard = folder, guard
    open_run(run)
    yield run
    close_run()
    assert ledger_of(lite.driver).open_faults() == []


def injected(run: Run, name: str, *arguments: object, at_most_s: float = 60, **named: Any) -> HeldFault:
    known: list[HeldFault] = []
    fault = inject(run, name, arguments, named, at_most_s, known.append)
    assert known == [fault]
    return fault


def test_it_is_in_force_in_its_block_and_gone_after_it(run: Run, lite: Lite) -> None:
    with injected(run, "blackhole", EXCHANGE_LINK) as fault:
        assert not lite.driver.links.state(EXCHANGE_LINK).clean
        (entry,) = ledger_of(lite.driver).open_faults()
        assert (entry.run, entry.target) == (run.id, EXCHANGE_LINK)
        assert fault.record.verified_end_ns is None
    assert lite.driver.links.state(EXCHANGE_LINK).clean
    assert run.faults == [fault.record]
    assert (fault.record.lasted, fault.record.error) == (True, None)
    assert fault.record.detail == {"at_most_s": 60}
    assert "held until the test had it healed" in fault.record.proof
    fault.heal()  # once more does nothing


def test_it_is_healed_when_its_block_fails_and_the_failure_is_the_tests_own(run: Run, lite: Lite) -> None:
    with pytest.raises(ZeroDivisionError), injected(run, "refuse_link", EXCHANGE_LINK):
        1 / 0  # noqa: B018
    assert lite.driver.links.state(EXCHANGE_LINK).clean


def test_one_with_a_time_of_its_own_has_ended_when_it_returns(run: Run, lite: Lite) -> None:
    begun = time.monotonic()
    fault = injected(run, "refuse", EXCHANGE_LINK, duration_s=0.5)
    assert time.monotonic() - begun >= 0.5
    assert lite.driver.links.state(EXCHANGE_LINK).clean
    assert None not in {fault.record.verified_start_ns, fault.record.verified_end_ns}
    fault.heal()
    assert fault.record.lasted


def test_one_with_a_course_of_its_own_has_ended_when_it_returns(run: Run, lite: Lite) -> None:
    before = lite.driver.service_status(HANDLER).pid
    injected(run, "restart", HANDLER, signal="SIGTERM")
    assert lite.driver.service_status(HANDLER).healthy
    assert lite.driver.service_status(HANDLER).pid != before


def test_one_that_reaches_its_limit_heals_itself_and_the_test_is_told(run: Run, lite: Lite) -> None:
    fault = injected(run, "refuse", EXCHANGE_LINK, at_most_s=0.3)
    until(lambda: lite.driver.links.state(EXCHANGE_LINK).clean and fault.record.verified_end_ns is not None)
    fault._thread.join()
    with pytest.raises(NotVerifiedError, match="ended at its limit"):
        fault.heal()
    assert not fault.record.lasted


def test_one_that_is_gone_before_its_end_is_told(run: Run, lite: Lite) -> None:
    fault = injected(run, "pause", HANDLER)
    lite.driver.resume(HANDLER)
    with pytest.raises(NotVerifiedError, match="was gone before its end"):
        fault.heal()


def test_one_that_is_gone_does_not_hide_the_tests_own_failure(run: Run, lite: Lite) -> None:
    def failing_test() -> None:
        with injected(run, "pause", HANDLER):
            lite.driver.resume(HANDLER)
            raise AssertionError("their own")

    with pytest.raises(AssertionError, match="their own") as caught:
        failing_test()
    assert any("was gone before its end" in note for note in caught.value.__notes__)


def test_the_runs_early_end_heals_it_at_once(run: Run, lite: Lite) -> None:
    injected(run, "refuse", EXCHANGE_LINK)
    ending = threading.Thread(
        target=run.ending.end, args=["no room", lambda: bool(ledger_of(lite.driver).open_faults(run.id))]
    )
    ending.start()
    ending.join(30)  # the limit of its own is 60 s away
    assert not ending.is_alive()
    assert lite.driver.links.state(EXCHANGE_LINK).clean


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("earthquake", [], r"unknown fault 'earthquake'; there are: .*blackhole.* kill, "),
        ("start", [HANDLER], "unknown fault 'start'"),
        ("kill", ["postgres"], "postgres"),
        ("kill", [], r"fault 'kill' takes \(service: str, .*missing a required argument: 'service'"),
        ("one_way", [EXCHANGE_LINK, "sideways"], "direction is upstream, downstream"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_touched(
    run: Run, name: str, arguments: list[object], words: str
) -> None:
    with pytest.raises(ChaosP7Error, match=words):
        injected(run, name, *arguments)
    assert run.faults == []


def test_every_fault_has_the_name_of_its_module() -> None:
    assert {"kill", "pause", "blackhole", "partition", "delete_topic", "slow_disk"} <= set(fault_names())
    assert not {"start", "_fault"} & set(fault_names())
