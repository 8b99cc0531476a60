"""A verdict is believed only where journal and evidence say the same."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaosp7.run import evidence as ev
from chaosp7.run.verdict import Verdict
from chaosp7.suite.codes import EXIT_CODES, gravest
from chaosp7.suite.outcome import read_outcome
from tests.suite.evidences import evidence


def left(
    folder: Path, verdict: str = "passed", journal: dict[str, Any] | None = None, **changed: Any
) -> Path:
    run = folder / "run"
    run.mkdir()
    ev.write(
        msgspec.structs.replace(evidence(run_id="run", verdict=verdict), **changed), run / "evidence.json"
    )
    said = {"status": "completed", "deviated": False, "x-chaosp7": {"verdict": verdict, "reasons": ["why"]}}
    (run / "journal.json").write_text(json.dumps(said | (journal or {})))
    return run


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_both_say_counts(tmp_path: Path, verdict: Verdict) -> None:
    outcome = read_outcome(left(tmp_path, verdict))
    assert (outcome.verdict, outcome.reasons) == (verdict, ("why",))


@pytest.mark.parametrize(
    ("journal", "changed", "problem"),
    [
        ({"x-chaosp7": None}, {}, "no result of ours"),
        ({"x-chaosp7": {"verdict": None, "dry": "probes"}}, {}, "verdict is none"),
        ({"x-chaosp7": {"verdict": "fine"}}, {}, "verdict is none"),
        ({"status": "failed"}, {}, "Chaos Toolkit says failed"),
        ({"status": "interrupted"}, {}, "Chaos Toolkit says interrupted"),
        ({"deviated": True}, {}, "passed, but"),
        ({"x-chaosp7": {"verdict": "deviated"}}, {}, "the evidence passed"),
        ({}, {"run_id": "another"}, "that of another run"),
    ],
)
def test_a_contradiction_is_an_error(
    tmp_path: Path, journal: dict[str, Any], changed: dict[str, Any], problem: str
) -> None:
    outcome = read_outcome(left(tmp_path, journal=journal, **changed))
    assert outcome.verdict is Verdict.ERROR
    assert problem in outcome.reasons[0]


@pytest.mark.parametrize("name", ["journal.json", "evidence.json"])
@pytest.mark.parametrize("how", ["missing", "empty", "cut off", "no object"])
def test_a_broken_file_is_an_error(tmp_path: Path, name: str, how: str) -> None:
    path = left(tmp_path) / name
    text = path.read_bytes()
    path.write_bytes({"empty": b"", "cut off": text[: len(text) // 2], "no object": b"[1]"}.get(how, b""))
    if how == "missing":
        path.unlink()
    assert read_outcome(path.parent).verdict is Verdict.ERROR


def test_the_gravest_decides_and_nothing_tested_is_never_passed() -> None:
    assert gravest(["passed", "passed"]) is Verdict.PASSED
    assert gravest(["passed", "deviated", "aborted"]) is Verdict.ABORTED
    assert gravest([]) is Verdict.ERROR
    assert gravest([None, "passed"]) is Verdict.ERROR
    assert set(EXIT_CODES) == set(Verdict)
    assert len(set(EXIT_CODES.values())) == len(Verdict)
    assert {1, 2}.isdisjoint(EXIT_CODES.values())


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["interrupted", None], Verdict.INTERRUPTED),
        (["passed", None], Verdict.INTERRUPTED),
        ([None], Verdict.INTERRUPTED),
        (["deviated", "interrupted", None], Verdict.INTERRUPTED),
        (["passed", "interrupted"], Verdict.INTERRUPTED),
        (["error", None], Verdict.ERROR),
        # Too late: it has ended nothing.
        (["passed", "passed"], Verdict.PASSED),
        (["passed", "deviated"], Verdict.DEVIATED),
        ([], Verdict.ERROR),
    ],
)
def test_a_ctrl_c_counts_where_it_has_ended_something(verdicts: list[str | None], verdict: Verdict) -> None:
    assert gravest(verdicts, interrupted=True) is verdict
