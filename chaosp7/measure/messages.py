"""The messages of one test: a numbered load under the recorder's eyes, and in the end its account."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error, FaultError, MeasurementError, RunError
from chaosp7.measure.account import Account
from chaosp7.measure.held import AT_MOST_S, HeldFault, inject
from chaosp7.report.page import PAGE, write_page
from chaosp7.run.current import close_run, is_open, open_run
from chaosp7.run.evidence import Evidence
from chaosp7.run.resolve import resolve
from chaosp7.run.run import Run
from chaosp7.run.verdict import Verdict
from probes.freshness import all_tiers_fresh

__all__ = ["Messages", "measured"]

logger = logging.getLogger("chaostoolkit")

#: Verdicts of a run whose account can be relied on.
_MEASURED: Final = (Verdict.PASSED, Verdict.DEVIATED)

#: What stands in the place of Chaos Toolkit's journal, for the verdict.
_COMPLETED: Final = {"status": "completed"}
_INTERRUPTED: Final = {"status": "interrupted"}
_PROBE: Final = {"activity": {"name": "every tier fresh"}, "status": "succeeded", "output": False}
_UNSTEADY: Final = {
    "status": "failed",
    "steady_states": {"before": {"steady_state_met": False, "probes": [_PROBE]}},
}


class Messages:
    """The messages of one test; `begin` makes it.

    A ``with`` block of it ends with the account; who wants to judge by it asks for it (`account`), else
    the budget does. Probes see the same run: `probes.sequence` and the others can be called at any time.

    Attributes:
        run: the run; its ``driver`` reaches the platform's services.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._faults: list[HeldFault] = []
        self._account: Account | None = None
        self._asked = False
        self._explanation = ""
        self._closed = False

    @classmethod
    def begin(
        cls,
        name: str,
        *,
        platform: str | None = None,
        rate_per_s: float = 500,
        duration_s: float = 5,
        settle_s: float = 5,
        seed: int = 7,
        budget: Mapping[str, Any] | None = None,
        drain_deadline_s: float = 60,
        steady_within_s: float = 60,
        reports: str = "reports",
        safeguards: Sequence[Mapping[str, Any]] | None = None,
        default_safeguards: bool = True,
    ) -> Messages:
        """Start the load and the recorder, and return when every tier is fresh.

        Args:
            name: of the test; names the folder of its evidence.
            platform: name or path of the platform file; ``$CHAOSP7_PLATFORM`` or ``embedded`` if not
                given. It is brought up if it is down, and taken down again then.
            rate_per_s: messages per second, over all feeds.
            duration_s: how long the load lasts at least, seconds.
            settle_s: how long it goes on at least, seconds, when the account is asked for after a fault: a
                tier that isn't fresh by then isn't seen to recover. Without a fault it ends at once.
            seed: of the generated trades.
            budget: what is allowed: see `chaosp7.run.evidence.Budget`.
            drain_deadline_s: how long the tiers may take to come to rest after the load, seconds.
            steady_within_s: how long they may take to be fresh at the beginning, seconds.
            reports: the folder that the run's own folder is made in.
            safeguards: see `chaosp7.safety.safeguards`.
            default_safeguards: whether free disk and memory are watched.

        Raises:
            MeasurementError: if the tiers aren't fresh in time: nothing could be measured.
            ChaosP7Error: if the run can't begin. What is known is in its folder then, and nothing is left
                running.
        """
        if is_open():
            raise RunError("a run is open in this process already: there can be one at a time")
        model, plan = resolve(
            {"title": name, "method": []},
            platform=platform,
            rate_per_s=rate_per_s,
            duration_s=duration_s,
            settle_s=settle_s,
            seed=seed,
            budget=budget,
            drain_deadline_s=drain_deadline_s,
            reports=reports,
            safeguards=safeguards,
            default_safeguards=default_safeguards,
            exports=None,
            unknown={},
        )
        messages = cls(Run(model, plan))
        open_run(messages.run)
        journal: dict[str, Any] = {"status": "failed"}
        try:
            messages.run.start()
            journal = _UNSTEADY
            messages._refuse_unsteady(steady_within_s)
            messages.run.guard_method()
        except BaseException as error:
            if not isinstance(error, Exception):
                journal = _INTERRUPTED
            elif journal is not _UNSTEADY:
                messages.run.errors.append(str(error))
            messages._end(journal, cut_short=True)
            if messages.run.folder.name:
                error.add_note(f"evidence: {messages.folder}")
            raise
        return messages

    @property
    def folder(self) -> Path:
        """Where the evidence goes; absolute."""
        return self.run.folder.absolute()

    @property
    def report(self) -> Path:
        """The page; it is written at the end."""
        return self.folder / PAGE

    @property
    def accounted(self) -> bool:
        """Whether somebody has asked for the account and got it; a ``with`` block's end asks for nothing."""
        return self._asked

    def fault(
        self, name: str, *arguments: object, at_most_s: float = AT_MOST_S, **named: object
    ) -> HeldFault:
        """Inject a fault, and return when it was seen to take effect.

        It is in force until its ``with`` block ends, or `account` is asked for, or the test ends, whichever
        is first. One that is given ``duration_s``, or has a course of its own (``restart``, ``crash``,
        ``flap``), has ended when this returns.

        Args:
            name: as the modules of `chaosp7.actions` are called: ``kill``, ``blackhole``, ``partition``.
            arguments: of the action: the service, the link.
            at_most_s: how long it may last before it is healed without being asked, seconds.
            named: of the action, by name.

        Raises:
            ConfigError: if there is no such fault, service or link, or an argument is wrong.
            FaultError: if it isn't seen to take effect, or, where it ends by itself, to last and be undone.
            RunError: if the messages have been accounted for, or a safeguard ended the run.
        """
        __tracebackhide__ = True
        if self.run.finished or self._closed:
            raise RunError("the messages have been accounted for: a fault comes before that")
        if self.run.ending.over.is_set():
            raise RunError(f"the run is being ended: {self.run.ending.reason}")
        try:
            return inject(self.run, name, arguments, named, at_most_s, self._faults.append)
        except ChaosP7Error as error:
            logger.debug("fault %s", name, exc_info=True)
            raise error.with_traceback(None) from None

    def account(self) -> Account:
        """Heal what is in force, let the load end and the tiers come to rest, and account for every message.

        The second call returns the same.

        Raises:
            MeasurementError: if it isn't known what became of them all: a tier couldn't be read or is still
                moving, a fault wasn't seen to take effect or can't be undone, a safeguard ended the run.
        """
        __tracebackhide__ = True
        account = self._made()
        self._asked = True
        return account

    def close(self, failure: str = "", *, interrupted: bool = False) -> Evidence:
        """Heal, account if nobody has, write evidence and page, leave the platform as it was found.

        Args:
            failure: why the test failed, in words; empty if it didn't.
            interrupted: whether somebody wants it to end at once: then nothing is waited for.

        Returns:
            The evidence.

        Raises:
            AssertionError: if the test hasn't failed and never asked for the account, and the verdict isn't
                ``passed``: nothing that wasn't looked at counts as good.
        """
        __tracebackhide__ = True
        if failure:
            self.run.objections.append(f"the test failed: {failure}")
        evidence = self._end(_INTERRUPTED if interrupted else _COMPLETED, cut_short=interrupted)
        if not (failure or interrupted or self.accounted) and evidence.verdict != Verdict.PASSED:
            raise AssertionError(self._explanation)
        return evidence

    def _end(self, journal: Mapping[str, Any], *, cut_short: bool) -> Evidence:
        self._closed = True
        try:
            if cut_short:
                self.run.ending.cut_short()
            self._finish()
            evidence = self.run.conclude(journal)
            self._explanation = self._explained(evidence)
            if self.run.folder.name:
                write_page(self.run.folder)
            return evidence
        finally:
            self.run.unguard()
            try:
                self.run.release()
            finally:
                close_run()

    def _explained(self, evidence: Evidence) -> str:
        if self.accounted or evidence.verdict != Verdict.DEVIATED or not evidence.tiers:
            return f"{evidence.verdict}: {'; '.join(evidence.reasons)}"
        return Account(evidence, self.run.accounts()).explained()

    def _made(self) -> Account:
        """Return the account; nobody need have asked for it."""
        __tracebackhide__ = True
        if self._account is None:
            self._finish()
            evidence = self.run.judged(_COMPLETED)
            if evidence.verdict not in _MEASURED:
                why = "; ".join(evidence.reasons)
                raise MeasurementError(f"not known what became of the messages ({evidence.verdict}): {why}")
            self._account = Account(evidence, self.run.accounts())
        return self._account

    def _finish(self) -> None:
        for fault in reversed(self._faults):
            try:
                fault.heal()
            except FaultError as error:
                logger.warning("%s", error)  # it is in the fault's record, and so in the verdict
        if not self.run.faults:  # there is nothing to recover from
            self.run.plan = replace(self.run.plan, settle_s=0)
        try:
            self.run.finish()
        except ChaosP7Error as error:
            self.run.errors.append(str(error))
        finally:
            if self.run.finished:
                self.run.unguard()

    def _refuse_unsteady(self, within_s: float) -> None:
        try:
            if not all_tiers_fresh(timeout_s=within_s):
                raise MeasurementError(
                    f"not every tier was fresh within {within_s:g} s: nothing was measured"
                )
        except ActivityFailed as error:
            raise MeasurementError(str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        if error is None:
            # Nobody has looked at it yet: the budget judges all the same.
            self._made()


@contextmanager
def measured(name: str, **options: Any) -> Iterator[Messages]:
    """Measure what happens in a block: load and recorder around it, and in the end the account.

    Args:
        name: of the test; names the folder of its evidence.
        options: of `Messages.begin`.

    Raises:
        AssertionError: if the block never asked for the account, and the verdict isn't ``passed``.
        ChaosP7Error: as of `Messages.begin`.
    """
    messages = Messages.begin(name, **options)
    try:
        yield messages
    except BaseException as error:
        ended = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
        messages.close(_in_words(error), interrupted=ended)
        raise
    messages.close()


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
