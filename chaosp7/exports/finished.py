"""Exports of a run that is over: made beside its end, and never waited for beyond a limit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from chaoslib.exceptions import InterruptExecution

from chaosp7.errors import ChaosP7Error, ExportError
from chaosp7.exports.annotator import Annotator
from chaosp7.exports.prometheus import file_of, prometheus
from chaosp7.exports.settings import Exports, otlp_traces_url, prometheus_path
from chaosp7.exports.trace import trace_of
from chaosp7.report.files import write_text
from chaosp7.report.records import RunRecord
from chaosp7.run.evidence import Evidence
from chaosp7.run.verdict import Verdict

__all__ = ["Exporting", "record_of", "send_trace", "write_figures"]

logger = logging.getLogger("chaostoolkit")

#: Of the limit: what takes longer can still say why.
_FOR_SENDING = 0.8


def record_of(experiment: str, evidence: Evidence | None, folder: Path = Path()) -> RunRecord:
    """Return a run as reports know it, before its journal is written.

    Args:
        experiment: its title.
        evidence: None if there is none: the verdict is ``error`` then.
        folder: the run's.
    """
    return RunRecord(
        folder=folder,
        run_id=evidence.run_id if evidence else folder.name,
        experiment=experiment,
        verdict=Verdict(evidence.verdict) if evidence else Verdict.ERROR,
        reasons=tuple(evidence.reasons) if evidence else ("there is no evidence of this run",),
        evidence=evidence,
        journal=None,
        series=None,
        missing=(),
    )


def write_figures(path: Path, run: RunRecord) -> None:
    """Write a run's figures for Prometheus, whole or not at all.

    Args:
        path: the file, or the folder for it.
        run: the run.

    Raises:
        ReportError: if they can't be written.
    """
    write_text(file_of(path, run), prometheus([run]))


def send_trace(url: str, run: RunRecord, timeout_s: float) -> int:
    """Send a run's trace.

    Args:
        url: of the receiver's traces.
        run: the run.
        timeout_s: for all of it, seconds.

    Returns:
        How many spans were sent: none for a run without evidence.

    Raises:
        ExportError: if it can't be sent.
    """
    trace = trace_of(run)
    if trace is None or run.evidence is None:
        return 0
    try:
        from chaosp7.exports.otel import send  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ExportError(
            f"a trace needs OpenTelemetry's packages: pip install 'chaosp7[otel]' ({error})"
        ) from error
    return send(trace, f"{run.run_id} {run.evidence.clock.wall_ns}", url, timeout_s)


class Exporting:
    """Exports one finished run in a thread of its own; what fails is a warning.

    Args:
        run: the run.
        exports: where to.
        annotator: what has annotated its faults, to be finished as well.
    """

    def __init__(self, run: RunRecord, exports: Exports, annotator: Annotator | None = None) -> None:
        self._annotator = annotator
        if annotator is not None:
            annotator.finish()
        self._limit_s = exports.limit_s
        self._deadline = time.monotonic() + exports.limit_s
        self._steps: list[tuple[str, Callable[[], object]]] = []
        if path := prometheus_path(exports):
            self._steps.append(("the figures for Prometheus", lambda: write_figures(path, run)))
        if url := otlp_traces_url(exports):
            self._steps.append(("the trace", lambda: send_trace(url, run, _FOR_SENDING * exports.limit_s)))
        self._doing = ""
        self._given_up = False
        self._thread = threading.Thread(target=self._all, name="exports", daemon=True)
        if self._steps:
            try:
                self._thread.start()
            except RuntimeError as error:
                logger.warning("There are no exports: %s", error)

    def wait(self) -> None:
        """Wait for what is under way, up to the limit since it began, or to Ctrl-C."""
        try:
            if self._thread.is_alive():
                self._thread.join(self._left_s())
            if self._annotator is not None:
                self._annotator.wait(self._left_s())
        except (KeyboardInterrupt, InterruptExecution):
            # The run is over; the journal is yet to be written, and nobody shall lose it.
            logger.warning("Exports: interrupted")
        if self._thread.is_alive():
            self._given_up = True
            logger.warning("Exports: not done after %g s, and not waited for: %s", self._limit_s, self._doing)

    def _left_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _all(self) -> None:
        for what, step in self._steps:
            self._doing = what
            try:
                step()
            except Exception as error:
                if not self._given_up:
                    known = isinstance(error, ChaosP7Error)
                    logger.warning("Exports: %s: %s", what, error, exc_info=None if known else error)
