"""What became of a run: read from its journal and its evidence, never from an exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from chaosp7.run import evidence as ev
from chaosp7.run.verdict import Verdict

__all__ = ["JOURNAL", "Outcome", "read_outcome"]

#: Its name, in the run's folder.
JOURNAL = "journal.json"

_KEY = "x-chaosp7"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and the reasons for it."""

    verdict: Verdict
    reasons: tuple[str, ...]


def read_outcome(folder: Path) -> Outcome:
    """Return what became of the run in a folder; whatever doesn't fit together is an error."""
    try:
        journal = json.loads((folder / JOURNAL).read_bytes())
    except FileNotFoundError:
        return _error("the run left no journal")
    except OSError as error:
        return _error(f"the journal can't be read: {error.strerror}")
    except ValueError as error:
        return _error(f"the journal is cut off or damaged: {error}")
    result = journal.get(_KEY) if isinstance(journal, dict) else None
    if not isinstance(result, dict):
        return _error("the journal has no result of ours: the experiment needs the evidence control")
    try:
        verdict = Verdict(str(result.get("verdict")))
        reasons = tuple(str(reason) for reason in result.get("reasons") or ())
    except (ValueError, TypeError):
        return _error(f"the journal's verdict is none: {result.get('verdict')!r}")
    problem = _contradiction(folder, journal, verdict)
    return _error(problem, *reasons) if problem else Outcome(verdict, reasons)


def _contradiction(folder: Path, journal: dict[str, Any], verdict: Verdict) -> str | None:
    path = folder / "evidence.json"
    if not path.exists() and verdict in (Verdict.ERROR, Verdict.INTERRUPTED):
        return None  # it ended before there was anything to show
    try:
        evidence = ev.read(path)
    except (OSError, msgspec.DecodeError) as error:
        return f"the evidence is missing or damaged: {error}"
    if evidence.run_id != folder.name:
        return f"the evidence is that of another run: {evidence.run_id}"
    if evidence.verdict != verdict:
        return f"the journal says {verdict}, the evidence {evidence.verdict}"
    if verdict is Verdict.PASSED and (journal.get("status") != "completed" or journal.get("deviated")):
        return f"passed, but Chaos Toolkit says {journal.get('status')}"
    return None


def _error(*reasons: str) -> Outcome:
    return Outcome(Verdict.ERROR, reasons)
