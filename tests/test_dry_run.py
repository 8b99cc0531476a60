"""``chaos run --dry``: no platform, no fault, and never a verdict."""

from pathlib import Path

import pytest

from chaosp7.platform.process_driver import ProcessDriver
from tests.chaos import RESTART, ChaosRun, read_journal
from tests.lite import HANDLER, Lite
from tests.short import action, running, write_experiment
from tests.waiting import PATIENCE_S

KILL = action("kill", "kill_service", service=HANDLER, duration_s=1)


def dry_run(experiment: Path, state: Path, how: str) -> ChaosRun:
    with running(experiment, state, "--dry", how) as process:
        process.wait(PATIENCE_S)
    output = (experiment.parent / "output").read_text()
    return ChaosRun(process.returncode, read_journal(experiment.parent), output)


@pytest.mark.parametrize("how", ["actions", "activities", "probes"])
def test_a_dry_run_touches_nothing_and_has_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    experiment = tmp_path / "experiment.json"
    experiment.write_text(RESTART.read_text().replace('"before": 5', '"before": 0.1'))
    run = dry_run(experiment, tmp_path / "state", how)
    result = run.journal["x-chaosp7"]
    assert (result["verdict"], result["dry"]) == (None, how), run.output
    assert f"Dry run (--dry {how})" in run.flat
    # Probes that are asked in earnest have nothing to look at: the steady state isn't met.
    assert run.code == (1 if how == "actions" else 0), run.output
    assert not ProcessDriver(name="embedded").running()
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "reports").exists()


def test_a_dry_run_leaves_a_platform_that_is_up_alone(embedded: Lite, tmp_path: Path) -> None:
    before = embedded.driver.service_status(HANDLER)
    run = dry_run(write_experiment(tmp_path, [KILL]), embedded.state, "probes")  # actions are carried out
    assert run.journal["run"][0]["output"] == "not injected: only planned", run.output
    after = embedded.driver.service_status(HANDLER)
    assert (after.pid, after.restarts) == (before.pid, before.restarts)


def test_without_pauses_everything_is_carried_out_and_judged(embedded: Lite, tmp_path: Path) -> None:
    budget = {"missed_at_source": 1000, "unacknowledged": 1000}
    experiment = write_experiment(tmp_path, [KILL | {"pauses": {"before": 1000}}], budget=budget)
    run = dry_run(experiment, embedded.state, "pause")
    assert (run.verdict, run.code) == ("passed", 0), run.output
