"""A safeguard that is missed ends a run by `chaos run`, wherever it is, and leaves nothing behind."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaosp7.platform.process_driver import ProcessDriver
from chaosp7.safety.heal import ledger_of
from tests.chaos import ChaosRun, read_journal
from tests.lite import EXCHANGE_LINK, HANDLER, Lite
from tests.short import action, evidence_of, run_short, running, until_said, write_experiment

pytestmark = pytest.mark.soak

#: More than a test waits.
LONG_S = 300
#: What is left of a run after a safeguard is missed takes seconds, and on a busy machine some tens of them; the
#: faults here would take LONG_S.
ENDS_WITHIN_S = 120

HOLE = action("blackhole", "blackhole_link", link=EXCHANGE_LINK, duration_s=LONG_S)
PAUSE = {"pauses": {"after": LONG_S}}
NEXT = action("kill", "kill_service", service="feed-handler-binance", duration_s=1)

#: What the run is at -> method, what it says then, and which faults it got to.
AT = {
    "a fault": ([HOLE, NEXT], "read back", ["blackhole"]),
    "a fault that flaps": (
        [action("flap", "flap_link", link=EXCHANGE_LINK, cut_s=1, healed_s=1, times=LONG_S)],
        "refuses connections",
        ["flap"],
    ),
    "a fault of a service": (
        [action("pause", "pause_service", service=HANDLER, duration_s=LONG_S)],
        "stopped",
        ["pause"],
    ),
    "a fault in the background": ([HOLE | {"background": True}, NEXT | PAUSE], "Pausing after", ["blackhole", "kill"]),
    "the load after the method": ([NEXT], "Load goes on for", ["kill"]),
    "a pause": ([NEXT | PAUSE, HOLE], "Pausing after", ["kill"]),
}  # fmt: skip


def tripwire(path: Path) -> dict[str, Any]:
    provider = {"type": "python", "module": "os.path", "func": "exists", "arguments": {"path": str(path)}}
    return {"name": "tripwire", "provider": provider, "tolerance": True, "every_s": 0.2}


def tripped(wire: Path, words: str) -> Callable[[Path], None]:
    def meanwhile(output: Path) -> None:
        until_said(output, words)
        wire.unlink()

    return meanwhile


def assert_aborted(run: ChaosRun, reason: str) -> None:
    assert (run.journal.get("status"), run.verdict, run.code) == ("aborted", "aborted", 1), run.output
    assert reason in run.journal["x-chaosp7"]["reasons"][0]
    assert reason in run.flat


@pytest.mark.parametrize(("method", "words", "kinds"), AT.values(), ids=AT)
def test_a_missed_safeguard_ends_the_run(
    embedded: Lite, tmp_path: Path, method: list[dict[str, Any]], words: str, kinds: list[str]
) -> None:
    wire = tmp_path / "wire"
    wire.touch()
    experiment = write_experiment(tmp_path, method, duration_s=LONG_S, safeguards=[tripwire(wire)])
    run = run_short(experiment, embedded.state, tripped(wire, words), ENDS_WITHIN_S)
    assert_aborted(run, "safeguard tripwire: got False, tolerance True")
    evidence = evidence_of(run, tmp_path)
    assert [fault.kind for fault in evidence.faults] == kinds
    assert all(fault.verified_end_ns is not None and fault.error is None for fault in evidence.faults)
    assert evidence.load is not None
    assert evidence.load.messages > 0
    assert ledger_of(embedded.driver).open_faults() == []
    assert all(state.clean for state in embedded.driver.links.states().values())
    # The platform was there before the run: it is as it was, and the load is gone.
    assert all(status.healthy for status in embedded.driver.status().values())
    short = write_experiment(tmp_path, [])
    assert run_short(short, embedded.state).verdict == "passed"


def assert_interrupted(run: ChaosRun) -> None:
    assert (run.journal["status"], run.verdict, run.code) == ("interrupted", "interrupted", 1), run.output


def interrupted_by_sigterm(experiment: Path, state: Path, once_said: str) -> ChaosRun:
    """Run an experiment, end it by SIGTERM once it has said something, and see that it was interrupted."""
    with running(experiment, state) as process:
        until_said(experiment.parent / "output", once_said)
        process.send_signal(signal.SIGTERM)
        process.wait(ENDS_WITHIN_S)
    output = (experiment.parent / "output").read_text()
    run = ChaosRun(process.returncode, read_journal(experiment.parent), output)
    assert_interrupted(run)
    return run


def test_a_sigterm_in_a_fault_heals_it_and_ends_the_run(embedded: Lite, tmp_path: Path) -> None:
    run = interrupted_by_sigterm(write_experiment(tmp_path, [HOLE, NEXT]), embedded.state, "read back")
    (fault,) = evidence_of(run, tmp_path).faults
    assert fault.verified_end_ns is not None
    assert ledger_of(embedded.driver).open_faults() == []


def test_a_sigterm_while_the_tiers_come_to_rest_interrupts_the_run(embedded: Lite, tmp_path: Path) -> None:
    run = interrupted_by_sigterm(write_experiment(tmp_path, []), embedded.state, "draining")
    assert "Traceback" not in run.output


def test_a_sigterm_while_a_line_is_logged_interrupts_the_run(embedded: Lite, tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path, [], sabotage="sigterm-in-a-line")
    run = run_short(experiment, embedded.state, limit_s=ENDS_WITHIN_S)
    assert_interrupted(run)
    assert "Traceback" not in run.output


def test_a_sigterm_beside_a_fault_in_the_background_ends_that_too(embedded: Lite, tmp_path: Path) -> None:
    method = [HOLE | {"background": True}, NEXT | PAUSE]
    run = interrupted_by_sigterm(write_experiment(tmp_path, method), embedded.state, "Pausing after")
    hole, _ = evidence_of(run, tmp_path).faults
    assert (hole.kind, hole.error) == ("blackhole", None)
    assert hole.verified_end_ns is not None
    assert ledger_of(embedded.driver).open_faults() == []


def test_a_sigterm_while_the_platform_comes_up_takes_it_down_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    interrupted_by_sigterm(write_experiment(tmp_path, []), tmp_path / "state", "Bringing platform")
    assert not ProcessDriver(name="embedded").running()


def test_a_run_that_is_aborted_takes_down_what_it_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    provider = {"type": "python", "module": "probes.safeguards", "func": "free_disk_bytes"}
    full = {"name": "free-disk", "provider": provider, "tolerance": {"type": "range", "range": [1e17, 1e18]}}
    experiment = write_experiment(tmp_path, [NEXT | {"pauses": {"before": LONG_S}}], safeguards=[full])
    run = run_short(experiment, tmp_path / "state")
    assert_aborted(run, "safeguard free-disk: got ")
    assert evidence_of(run, tmp_path).faults == []
    assert not ProcessDriver(name="embedded").running()


def test_the_shipped_probes_are_met_in_a_run_that_is_well(embedded: Lite, tmp_path: Path) -> None:
    provider = {"type": "python", "module": "probes.safeguards", "func": "load_is_kept"}
    kept = {"name": "load", "provider": provider, "tolerance": True, "every_s": 0.2}
    run = run_short(write_experiment(tmp_path, [], safeguards=[kept]), embedded.state)
    assert (run.verdict, run.code) == ("passed", 0), run.output


def test_a_safeguard_that_is_none_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    run = run_short(write_experiment(tmp_path, [], safeguards=[{"name": "x"}]), tmp_path / "state")
    assert run.code != 0
    assert "safeguard 'x' has no tolerance" in run.flat
    assert not ProcessDriver(name="embedded").running()
