"""JUnit XML: an experiment is a suite, a run a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from chaosp7.report.records import RunRecord
from chaosp7.report.sentences import run_sentence
from chaosp7.run.verdict import Verdict

__all__ = ["junit"]

#: A system under test that isn't good enough fails; whatever else is no result is an error.
_FAILURES: Final = (Verdict.DEVIATED, Verdict.DRAIN_TIMEOUT, Verdict.HEAL_FAILED)

#: What XML 1.0 can't hold.
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(runs: Sequence[RunRecord]) -> str:
    """Return the runs as JUnit XML.

    Args:
        runs: any number; none gives an error, for nothing tested is never passed.
    """
    root = ET.Element("testsuites", name="chaosp7")
    by_experiment: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_experiment.setdefault(run.experiment, []).append(run)
    for name, found in by_experiment.items():
        _suite(root, name, found)
    if not runs:
        suite = ET.SubElement(
            root, "testsuite", name="chaosp7", tests="1", failures="0", errors="1", skipped="0"
        )
        case = ET.SubElement(suite, "testcase", name="at least one run", classname="chaosp7")
        ET.SubElement(case, "error", message="nothing was tested", type="error")
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, name: str, runs: Sequence[RunRecord]) -> None:
    failures = sum(run.verdict in _FAILURES for run in runs)
    errors = sum(run.verdict not in (*_FAILURES, Verdict.PASSED) for run in runs)
    suite = ET.SubElement(
        root, "testsuite", name=_clean(name), tests=str(len(runs)), failures=str(failures),
        errors=str(errors), skipped="0", time=f"{sum(map(_duration_s, runs)):.3f}",
    )  # fmt: skip
    for run in runs:
        case = ET.SubElement(
            suite, "testcase", name=_clean(run.run_id), classname=_clean(f"chaosp7.{name}"),
            time=f"{_duration_s(run):.3f}",
        )  # fmt: skip
        if run.verdict is not Verdict.PASSED:
            kind = "failure" if run.verdict in _FAILURES else "error"
            message = _clean(run.reasons[0] if run.reasons else str(run.verdict))
            problem = ET.SubElement(case, kind, message=message, type=str(run.verdict))
            problem.text = _clean("\n".join(run.reasons))
        ET.SubElement(case, "system-out").text = _clean(run_sentence(run))


def _duration_s(run: RunRecord) -> float:
    phases = run.evidence.phases if run.evidence else []
    return (max(p.end_ns for p in phases) - min(p.start_ns for p in phases)) / 1e9 if phases else 0.0


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
