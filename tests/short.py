"""Short experiments against a platform that is up already."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaosp7.run import evidence as ev
from tests.chaos import REPOSITORY, ChaosRun, command, environment, read_journal
from tests.waiting import PATIENCE_S, until

__all__ = ["action", "evidence_of", "run_short", "running", "until_said", "write_experiment"]


def action(module: str, func: str, background: bool = False, **arguments: Any) -> dict[str, Any]:
    """Return an activity that calls one of our actions."""
    provider = {"type": "python", "module": f"chaosp7.actions.{module}", "func": func, "arguments": arguments}
    return {"type": "action", "name": func, "background": background, "provider": provider}


def write_experiment(
    folder: Path,
    method: Sequence[Mapping[str, Any]],
    sabotage: str = "",
    **arguments: Any,
) -> Path:
    """Write an experiment without a hypothesis.

    Args:
        folder: where to.
        method: its activities.
        sabotage: what `tests.sabotage` is to do in the run's process.
        arguments: of the evidence control, beside those of a short load.
    """
    # Where messages are missing 20 s without movement are waited for, and a busy machine moves late.
    load = {"rate_per_s": 100, "duration_s": 3, "settle_s": 2, "drain_deadline_s": 60}
    evidence = {"type": "python", "module": "chaosp7.controls.evidence", "arguments": load | arguments}
    controls: list[dict[str, Any]] = [{"name": "evidence", "provider": evidence}]
    if sabotage:
        provider = {"type": "python", "module": "tests.sabotage", "arguments": {"kind": sabotage}}
        controls.append({"name": "sabotage", "provider": provider})
    experiment = {
        "title": "short",
        "description": "short",
        "runtime": {"rollbacks": {"strategy": "always"}},
        "controls": controls,
        "method": list(method),
    }
    path = folder / "experiment.json"
    path.write_text(json.dumps(experiment))
    return path


@contextmanager
def running(experiment: Path, state: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run an experiment beside the test; it is killed in the end, if it hasn't ended."""
    folder = experiment.parent
    env = environment(folder, CHAOSP7_STATE_DIR=str(state), PYTHONPATH=str(REPOSITORY))
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command(experiment), *options], cwd=folder, env=env, stdout=output, stderr=output, text=True
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run_short(
    experiment: Path,
    state: Path,
    meanwhile: Callable[[Path], None] = lambda _: None,
    limit_s: float = PATIENCE_S,
) -> ChaosRun:
    """Run an experiment to its end.

    Args:
        experiment: its file.
        state: the platforms' state folder.
        meanwhile: called with the file of its output.
        limit_s: it ends by then, or the test fails.
    """
    output = experiment.parent / "output"
    with running(experiment, state) as process:
        meanwhile(output)
        process.wait(limit_s)
    return ChaosRun(process.returncode, read_journal(experiment.parent), output.read_text())


def until_said(output: Path, words: str) -> None:
    """Wait until a run has said something."""
    until(lambda: words in output.read_text(), said=output.read_text)


def evidence_of(run: ChaosRun, folder: Path) -> ev.Evidence:
    """Return the evidence of a run."""
    assert "evidence" in run.journal.get("x-chaosp7", {}), run.output
    return ev.read(folder / run.journal["x-chaosp7"]["evidence"])
