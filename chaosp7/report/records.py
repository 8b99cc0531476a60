"""A run as it lies on disk: evidence, journal and series, or why one of them is missing.

A run that left no evidence, or one that can't be read, is a run all the same: its verdict is then
``error`` or what the journal says, and never ``passed``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaosp7.run import evidence as ev
from chaosp7.run import series as se
from chaosp7.run.verdict import Verdict

__all__ = ["EVIDENCE", "JOURNAL", "SERIES", "RunRecord", "is_run_name", "known_verdict", "read_run"]

EVIDENCE, JOURNAL, SERIES = "evidence.json", "journal.json", "series.json"

#: How a run's folder is called: ``20260101T000000.000-name``.
_RUN_NAME: Final = re.compile(r"\d{8}T[\d.]*-(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run.

    Attributes:
        folder: where it lies.
        run_id: its name.
        experiment: what was run, as far as that is known.
        verdict: the gravest that evidence, journal or their absence give.
        reasons: for it.
        evidence: None if there is none that can be read.
        journal: None if there is none that can be read, or none that is this run's.
        series: None if there are none that can be read.
        missing: why something above is None, in words.
        began: False of a run that only its suite knows of: there is nothing of it to be shown.
    """

    folder: Path
    run_id: str
    experiment: str
    verdict: Verdict
    reasons: tuple[str, ...]
    evidence: ev.Evidence | None
    journal: Mapping[str, Any] | None
    series: se.Series | None
    missing: tuple[str, ...]
    began: bool = True


def read_run(folder: Path) -> RunRecord:
    """Read what a run left in its folder; what is missing or broken is told, never raised.

    Args:
        folder: of the run. Its journal may also lie two folders above, where Chaos Toolkit puts it
            when the reports go into ``reports/``, if it names this run.
    """
    missing: list[str] = []
    evidence = _try(folder / EVIDENCE, ev.read, missing)
    journal = _journal(folder, missing)
    if journal is None and evidence is None and not (folder / JOURNAL).exists():
        missing.append(f"{JOURNAL} isn't there")  # else the evidence holds the verdict that was made of it
    series = _try(folder / SERIES, se.read, missing)
    if evidence is not None and evidence.schema_version > ev.SCHEMA_VERSION:
        missing.append(f"{EVIDENCE}: schema {evidence.schema_version} is newer than this program")
    verdict, reasons = _verdict(evidence, journal, missing)
    named = journal.get("experiment") if journal else None
    title = named.get("title") if isinstance(named, Mapping) else None
    return RunRecord(
        folder=folder,
        run_id=evidence.run_id if evidence else folder.name,
        experiment=evidence.experiment if evidence else str(title or _experiment_of(folder.name)),
        verdict=verdict,
        reasons=tuple(reasons),
        evidence=evidence,
        journal=journal,
        series=series,
        missing=tuple(missing),
    )


def is_run_name(name: str) -> bool:
    """Return whether a folder is called as that of a run is."""
    return _RUN_NAME.fullmatch(name) is not None


def _experiment_of(name: str) -> str:
    """Return the experiment in the name of a run's folder."""
    named = _RUN_NAME.fullmatch(name)
    return named[1] if named else name


def _try(path: Path, reader: Any, missing: list[str]) -> Any:
    try:
        return reader(path)
    except FileNotFoundError:
        missing.append(f"{path.name} isn't there")
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        missing.append(f"{path.name} can't be read: {error}")
    return None


def _journal(folder: Path, missing: list[str]) -> Mapping[str, Any] | None:
    path = folder / JOURNAL
    if path.exists():
        found = _try(path, lambda file: json.loads(file.read_bytes()), missing)
        if found is None or isinstance(found, Mapping):
            return found
        missing.append(f"{JOURNAL} is no journal")
        return None
    above = folder.parent.parent / JOURNAL
    if above.exists():
        found = _try(above, lambda file: json.loads(file.read_bytes()), [])
        # The next run in the same place writes its own journal over it.
        if (
            isinstance(found, Mapping)
            and Path(str(_ours(found).get("evidence", ""))).parent.name == folder.name
        ):
            return found
    return None


def _ours(journal: Mapping[str, Any]) -> Mapping[str, Any]:
    result = journal.get("x-chaosp7")
    return result if isinstance(result, Mapping) else {}


def _verdict(
    evidence: ev.Evidence | None, journal: Mapping[str, Any] | None, missing: Sequence[str]
) -> tuple[Verdict, list[str]]:
    """Return the gravest verdict that anything speaks for."""
    found: list[tuple[Verdict, list[str]]] = []
    if evidence is None:
        found.append((Verdict.ERROR, ["there is no evidence of this run"]))
    else:
        found.append((known_verdict(evidence.verdict), evidence.reasons))
        if evidence.verdict == Verdict.PASSED and not (
            evidence.load and evidence.load.messages and evidence.tiers
        ):
            found.append((Verdict.ERROR, ["the evidence says passed, but accounts for no message"]))
    found += [(Verdict.ERROR, [m]) for m in missing if m.startswith(EVIDENCE) and evidence is not None]
    if journal is not None:
        said = _ours(journal).get("verdict")
        if said:
            reasons = _ours(journal).get("reasons")
            found.append(
                (known_verdict(said), [str(r) for r in reasons] if isinstance(reasons, list) else [])
            )
        status = journal.get("status")
        if status in (Verdict.INTERRUPTED, Verdict.ABORTED):
            # Only the evidence's error is graver; without evidence this is all that is known. What we said
            # ourselves without any is believed of a run that was ended before there was anything to show.
            early = said == Verdict.INTERRUPTED and f"{EVIDENCE} isn't there" in missing
            if evidence is None and (early or not said):
                found = [f for f in found if f[0] is not Verdict.ERROR]
            found.append((Verdict(str(status)), [f"Chaos Toolkit says {status}"]))
    order = list(Verdict)
    verdict = min((f[0] for f in found), key=order.index)
    reasons = [r for v, rs in sorted(found, key=lambda f: order.index(f[0])) for r in rs]
    return verdict, list(
        dict.fromkeys([*reasons, *(m for m in missing if evidence is None and m.startswith(EVIDENCE))])
    )


def known_verdict(verdict: object) -> Verdict:
    """Return a verdict that a file states; what is none is an error."""
    try:
        return Verdict(str(verdict))
    except ValueError:
        return Verdict.ERROR
