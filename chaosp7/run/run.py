"""One run: bring the platform up, load it, record it, and account for what was sent."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaosp7.errors import ChaosP7Error, HealError, MeasurementError, PlatformError, RunError
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.model import Part, Platform
from chaosp7.recorder.recorder import Recorder
from chaosp7.recorder.source import Source
from chaosp7.recorder.timeline import Timeline
from chaosp7.run import evidence as ev
from chaosp7.run.accounting import Accounting, Accounts
from chaosp7.run.conclusion import Conclusion
from chaosp7.run.ending import Ending
from chaosp7.run.folder import keep_ledger, make_folder
from chaosp7.run.load import Load, LoadStatus
from chaosp7.run.load_end import end_load
from chaosp7.run.offload import offload_reports, watch_of
from chaosp7.run.origin import Origin
from chaosp7.run.plan import RunPlan
from chaosp7.run.proxy_tax import measure_proxy_tax
from chaosp7.run.reports import load_report, recovery_reports
from chaosp7.run.rest import until_at_rest
from chaosp7.run.run_series import series_of_run
from chaosp7.run.series import write as write_series
from chaosp7.run.shown import with_what_came_late
from chaosp7.run.status import Stage, Stages
from chaosp7.safety.fault_ledger import FaultLedger
from chaosp7.safety.guard import Guard
from chaosp7.safety.heal import heal, ledger_of, refuse_leftovers
from chaosp7.safety.safeguards import Safeguards

if TYPE_CHECKING:
    from chaosp7.exports.annotator import Annotator
    from chaosp7.platform.iceberg import IcebergStart
    from chaosp7.run.status_writer import StatusWriter

__all__ = ["Run"]

logger = logging.getLogger("chaostoolkit")

_ACCOUNT_IS_GOOD_FOR_NS = 5_000_000_000

#: An account while the load runs takes in at least so much of it.
_OVERDUE_AT_LEAST_NS = 2_000_000_000


class Run:
    """One run of one experiment against one platform.

    Args:
        model: the system under test.
        plan: what to do.
    """

    def __init__(self, model: Platform, plan: RunPlan) -> None:
        self.model = model
        self.plan = plan
        self.driver = open_driver(model)
        self.errors: list[str] = []
        self.objections: list[str] = []
        self.faults: list[ev.FaultRecord] = []
        self.recovery: list[ev.RecoveryReport] = []
        self.finished = False
        self.ending = Ending()
        self.stages = Stages()
        self.told: StatusWriter | None = None
        self.annotator: Annotator | None = None
        self._safeguards = Safeguards(plan.safeguards, self._abort)
        self.folder = Path()
        self.clock = ev.ClockAnchor(monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns())
        self._phases: list[ev.Phase] = []
        self._brought_up = False
        self._load: Load | None = None
        self._proxy_tax: ev.ProxyTax | None = None
        self._load_report: ev.LoadReport | None = None
        self._recorder: Recorder | None = None
        self._guard: Guard | None = None
        self._accounting: Accounting | None = None
        self._accounts: Accounts | None = None
        self._accounts_ns = 0
        self._drained: list[str] = []

    def start(self) -> None:
        """Bring the platform up if it is down, and start load and recorder.

        Raises:
            ChaosP7Error: if anything fails; `release` then cleans up.
        """
        begun_ns = time.monotonic_ns()
        if not self.driver.running():
            logger.info("Bringing platform %s up", self.model.name)
            self._brought_up = True
        self.driver.up()
        down = [name for name, status in self.driver.status().items() if not status.healthy]
        if down:
            raise PlatformError(f"not healthy before the run: {', '.join(down)}")
        refuse_leftovers(self.driver, self._brought_up)
        self.folder = make_folder(self.plan)
        exchange_service = self.model.the_service(Part.EXCHANGE)
        self._guard = Guard(
            self.driver.name, self.id, exchange_service, self._brought_up, self.driver.state.log("watchdog")
        )
        self._guard.start()
        clickhouse = self._address(self.model.the_service(Part.CLICKHOUSE))
        bootstrap = self.driver.bootstrap
        load = Load(f"http://{self.driver.endpoint(exchange_service)}", self.plan.rate_per_s, self.plan.seed)
        origin = Origin.of(self.model, self.driver, clickhouse, load.next_sequences())
        self._accounting = Accounting(self.model, bootstrap, clickhouse, origin)
        self._proxy_tax = measure_proxy_tax(self.model, self.driver)
        self._load = load  # from here on there is something to be ended
        load.start(self.id, self.ledger)
        starts, candles, icebergs = list(origin.offsets), origin.candles, origin.icebergs
        offload = watch_of(self.model, self.driver.endpoint)
        self._recorder = Recorder(
            origin.watched, Source(self.ledger), bootstrap, starts, clickhouse, candles, icebergs, offload
        )
        self._recorder.start()
        self._phases.append(ev.Phase(name="start", start_ns=begun_ns, end_ns=time.monotonic_ns()))
        self.stages.enter(Stage.STEADY_STATE)
        logger.info("Load of %g messages/s begun; evidence goes to %s", self.plan.rate_per_s, self.folder)

    @property
    def id(self) -> str:
        """The run's id: the name of its folder."""
        return self.folder.name

    def fault_ledger(self) -> FaultLedger:
        """Return where a fault is written down before it is injected.

        Raises:
            HealError: if nobody would heal it, should this process die.
        """
        if self._guard is None or not self._guard.watching:
            raise HealError("the watchdog is gone: no fault is injected without it")
        return ledger_of(self.driver)

    def guard_method(self) -> None:
        """Begin to ask the safeguards: from now on one that is missed ends the run."""
        self.stages.enter(Stage.METHOD)
        self._safeguards.start()

    def unguard(self) -> None:
        """Stop asking the safeguards; can be repeated."""
        self.ending.let_finish()
        self._safeguards.stop()

    def load_status(self) -> tuple[LoadStatus, float]:
        """Return how far the load is, and its rate per second; may be called from any thread.

        Raises:
            MeasurementError: if the load failed, or the source isn't there.
        """
        exchange = self.driver.endpoint(self.model.the_service(Part.EXCHANGE))
        load = Load(f"http://{exchange}", self.plan.rate_per_s, self.plan.seed)
        return load.checked_status(), load.rate_per_s

    @property
    def ledger(self) -> Path:
        """The run's ledger."""
        return self.driver.ledger(self.id, self.folder)

    @property
    def recorder(self) -> Recorder:
        """The recorder.

        Raises:
            RunError: if the run hasn't begun.
        """
        if self._recorder is None:
            raise RunError("the run hasn't begun")
        return self._recorder

    def close_up(self) -> AbstractContextManager[None]:
        """Return a block in which the tiers are looked at as closely as can be, if at all."""
        return nullcontext() if self._recorder is None else self._recorder.close_up()

    @property
    def timelines(self) -> Mapping[str, Timeline]:
        """What is visible at each tier; empty before the run has begun."""
        return self._recorder.timelines if self._recorder is not None else {}

    def finish(self) -> None:
        """Let the load end, drain, account, measure. The second call does nothing.

        Raises:
            MeasurementError: if anything can't be measured.
        """
        if self.finished or self._load is None or self._accounting is None:
            return
        if self.ending.over.is_set():
            return
        self.finished = True
        self._accounts = None  # one of mid-run must never pass for the final one
        begun_ns = time.monotonic_ns()
        self.stages.enter(Stage.LOAD)
        load = self._end_load(self._load)
        self._phases.append(ev.Phase(name="load", start_ns=load.start_ns, end_ns=load.end_ns))
        logger.info("Load ended after %s messages; draining", f"{load.messages:,}")
        self.stages.enter(Stage.DRAIN)
        with self.close_up():
            self._drained = until_at_rest(
                self.model,
                self.recorder,
                self.driver.bootstrap,
                self._accounting.clickhouse,
                self.plan.drain_deadline_s,
            )
        self.recorder.stop()
        self._phases.append(ev.Phase(name="drain", start_ns=begun_ns, end_ns=time.monotonic_ns()))
        logger.info("Accounting for every message at every tier")
        self.stages.enter(Stage.ACCOUNT)
        accounts = self._accounting.read_at_rest(self.ledger)
        self._accounts = with_what_came_late(accounts, self.model, self.recorder)
        self.recovery = self.recovery_of()
        self.stages.enter(Stage.STEADY_STATE_AFTER)

    def recovery_of(self, exchanges: Collection[str] | None = None) -> list[ev.RecoveryReport]:
        """Return each tier's recovery from each fault that was seen to take effect.

        Args:
            exchanges: whose feeds count; None: all.

        Raises:
            RunError: if the load hasn't ended.
        """
        if self._load_report is None or self._accounts is None:
            raise RunError("recovery is measured when the load has ended")
        return recovery_reports(
            self.model,
            self.recorder.timelines,
            self.recorder.source,
            self._accounts,
            self.faults,
            self._load_report.end_ns,
            exchanges,
        )

    @property
    def icebergs(self) -> Mapping[str, IcebergStart]:
        """Where the Iceberg tiers began; empty before the run has begun."""
        return {} if self._accounting is None else self._accounting.origin.icebergs

    def offload_reports(self) -> list[ev.OffloadReport]:
        """Return how the offload took each fault so far; nothing where the platform has none."""
        watch = None if self._recorder is None else self._recorder.offload
        return [] if watch is None else offload_reports(watch.looks, self.faults)

    def accounts(self) -> Accounts:
        """Return the account: the final one, or while the load runs one of all that is overdue.

        Raises:
            MeasurementError: if a tier can't be read.
        """
        now_ns = time.monotonic_ns()
        if self._accounts is None or (
            not self.finished and now_ns - self._accounts_ns > _ACCOUNT_IS_GOOD_FOR_NS
        ):
            if self._accounting is None:
                raise RunError("the run hasn't begun")
            if self.finished:
                raise MeasurementError("the account couldn't be made")
            accounts = self._accounting.read(self.ledger, self._overdue_ns())
            if self.finished:
                # Whoever asks too late, from a thread of its own, must not have the last word.
                return accounts
            self._accounts, self._accounts_ns = accounts, time.monotonic_ns()
        return self._accounts

    def _overdue_ns(self) -> int:
        """Return before when a message must have been sent to be missed now; waits for the first ones."""
        overdue_ns = max(tier.fresh_within_ns for tier in self.model.tiers.values())
        enough_ns = self.recorder.source.start_ns + overdue_ns + _OVERDUE_AT_LEAST_NS
        time.sleep(max(0, enough_ns - time.monotonic_ns()) / 1e9)
        return time.monotonic_ns() - overdue_ns

    def judged(self, journal: Mapping[str, Any]) -> ev.Evidence:
        """Judge what is known by now, and return the evidence without writing it.

        Args:
            journal: Chaos Toolkit's, or what stands in its place: its ``status`` at least.
        """
        return Conclusion(
            run=self.id,
            model=self.model,
            plan=self.plan,
            clock=self.clock,
            phases=self._phases,
            faults=self.faults,
            load=self._load_report,
            accounts=self._accounts if self.finished else None,
            drained=self._drained,
            recovery=self.recovery,
            proxy_tax=self._proxy_tax,
            offload=self.offload_reports(),
            errors=self.errors,
            objections=self.objections,
            aborted=self.ending.reason,
        ).evidence(journal)

    def conclude(self, journal: Mapping[str, Any]) -> ev.Evidence:
        """Judge and write the evidence.

        Args:
            journal: as of `judged`.
        """
        if self.ending.over.is_set() and self._load is not None and self._load_report is None:
            self._cut_short(self._load)
        evidence = self.judged(journal)
        if self.folder.name:  # a run that failed before it had one has nothing to show
            ev.write(evidence, self.folder / "evidence.json")
            self._write_series(evidence)
        return evidence

    def _write_series(self, evidence: ev.Evidence) -> None:
        """Write what charts are drawn from; no verdict depends on it, nor on whether it succeeds."""
        if self._recorder is None:
            return
        try:
            self._recorder.stop()
            write_series(series_of_run(self._recorder, self._accounts, evidence), self.folder / "series.json")
        except Exception:
            logger.exception("There will be no charts: the time series can't be written")

    def release(self) -> None:
        """End load and recorder, undo what is left of faults, leave the platform as it was found."""
        steps = (self._heal_what_is_left, self._end_measuring, self._take_down)
        try:
            for step in steps:
                try:
                    step()
                except (ChaosP7Error, OSError) as error:
                    # The next step may do better: a platform that is taken down has no faults left.
                    logger.warning("not cleaned up: %s", error)
        finally:
            if self._guard is not None:
                self._guard.release()

    def _heal_what_is_left(self) -> None:
        """Undo faults whose own healing was interrupted; usually there are none."""
        if self._guard is not None and self.driver.running():
            heal(self.driver, ledger_of(self.driver).open_faults(self.id), "run")

    def _end_measuring(self) -> None:
        try:
            if self._load is not None and self._load_report is None:
                self._load.abort()
        finally:
            self._load = None
            if self._recorder is not None:
                self._recorder.stop()
                self._recorder.source.close()

    def _take_down(self) -> None:
        try:
            if self._guard is not None:
                keep_ledger(self.ledger, self.folder)
        finally:
            if self._brought_up:
                logger.info("Taking platform %s down", self.model.name)
                self.driver.down()
                self._brought_up = False

    def _abort(self, reason: str) -> None:
        self.ending.end(reason, lambda: bool(ledger_of(self.driver).open_faults(self.id)))

    def _cut_short(self, load: Load) -> None:
        """End the load as it is; what was sent isn't waited for."""
        try:
            status = load.status()
            load.abort()
        except MeasurementError as error:
            self.errors.append(str(error))
        else:
            self._load_report = load_report(load, status)
        if self._recorder is not None:
            self._recorder.stop()

    def _end_load(self, load: Load) -> ev.LoadReport:
        status = end_load(load, self.plan.duration_s, self.plan.settle_s, self.recorder.attend)
        self._load_report = load_report(load, status)
        return self._load_report

    def _address(self, service: str) -> tuple[str, int]:
        host, _, port = self.driver.endpoint(service).rpartition(":")
        return host, int(port)
