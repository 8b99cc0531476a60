"""The evidence control: opens a run around an experiment and leaves its result in the journal.

In an experiment::

    "controls": [{
        "name": "evidence",
        "provider": {
            "type": "python",
            "module": "chaosp7.controls.evidence",
            "arguments": {"rate_per_s": 500, "duration_s": 40, "budget": {"recovery_s": 10}}
        }
    }]

Chaos Toolkit swallows whatever a control raises, so nothing here is left to raise by itself: an
error before the method interrupts the experiment, any other one goes into the verdict, and a
verdict other than ``passed`` fails the journal, so that ``chaos run`` ends with exit code 1.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from chaoslib.exceptions import InterruptExecution
from chaoslib.types import Dry
from rich.console import Console

from chaosp7.child import ignore_interrupts
from chaosp7.errors import ChaosP7Error
from chaosp7.exports.annotator import Annotator
from chaosp7.exports.finished import Exporting, record_of
from chaosp7.exports.settings import Exports
from chaosp7.report.page import write_page
from chaosp7.run.current import close_run, current_run, open_run
from chaosp7.run.ending import EXIT_GRACEFULLY
from chaosp7.run.evidence import Evidence
from chaosp7.run.planned import PlannedRun
from chaosp7.run.resolve import resolve
from chaosp7.run.run import Run
from chaosp7.run.status import Stage
from chaosp7.run.status_writer import StatusWriter
from chaosp7.run.summary import print_summary

__all__ = [
    "after_experiment_control",
    "after_method_control",
    "before_experiment_control",
    "before_method_control",
    "before_rollback_control",
]

logger = logging.getLogger("chaostoolkit")

#: Where the journal holds the result.
JOURNAL_KEY = "x-chaosp7"


def before_experiment_control(
    context: Mapping[str, Any],
    platform: str | None = None,
    rate_per_s: float = 500,
    duration_s: float = 60,
    settle_s: float = 5,
    seed: int = 7,
    budget: Mapping[str, Any] | None = None,
    drain_deadline_s: float = 60,
    reports: str = "reports",
    safeguards: Sequence[Mapping[str, Any]] | None = None,
    default_safeguards: bool = True,
    exports: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> None:
    """Check the experiment, bring the platform up if it is down, start recorder and load.

    Args:
        context: the experiment.
        platform: name or path of the platform file; ``$CHAOSP7_PLATFORM`` or ``embedded`` if not
            given.
        rate_per_s: messages per second of the load, over all feeds.
        duration_s: how long the load lasts at least, seconds.
        settle_s: how long it goes on after the method, seconds, if that is longer.
        seed: of the generated trades.
        budget: what is allowed: see `chaosp7.run.evidence.Budget`.
        drain_deadline_s: how long the tiers may take to come to rest after the load, seconds.
        reports: the folder that the run's own folder is made in.
        safeguards: probes that are asked during the method; the first that misses its tolerance ends the
            run: see `chaosp7.safety.safeguards`.
        default_safeguards: whether free disk (256 MiB under the state folder) and available memory
            (128 MiB) are among them.
        exports: where figures and trace of the finished run go: see `chaosp7.exports.settings.Exports`.
        unknown: arguments that don't exist: an error.

    Raises:
        InterruptExecution: if the run can't begin; nothing is left running then.
    """
    run: Run | None = None
    try:
        model, plan = resolve(
            context,
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
            exports=exports,
            unknown=unknown,
        )
        if _dry(context):
            open_run(PlannedRun(model, plan))
            logger.warning("Dry run (--dry %s): no platform, no load, no fault, no verdict", _dry(context))
            return
        run = Run(model, plan)
        open_run(run)
        run.ending.hear_signals()
        run.told = StatusWriter.begin(run)
        run.start()
        run.annotator = Annotator.begin(lambda: run.faults, plan.experiment, model.name, run.id)
    except Exception as error:
        # Anything but InterruptExecution would be swallowed, and the method run unmeasured.
        # The journal gets it as well: see `after_experiment_control`.
        _log(error)
        if run is None:
            _failed_before_the_run.append(str(error))
        else:
            run.errors.append(str(error))
            run.release()
        raise InterruptExecution(str(error)) from error
    except BaseException:
        if run is not None:
            run.release()
        raise


def before_method_control(context: Mapping[str, Any], **_: Any) -> None:
    """Begin to ask the safeguards.

    Args:
        context: the experiment.
    """
    if _dry(context):
        return
    run = current_run()
    try:
        run.guard_method()
    except Exception as error:  # noqa: BLE001  # as below
        _log(error)
        run.errors.append(f"no safeguard is asked: {error}")


def after_method_control(context: Mapping[str, Any], state: Sequence[Any] | None = None, **_: Any) -> None:
    """Let the load end, drain, and account, so that the steady state after it can be judged.

    Args:
        context: the experiment.
        state: the method's journal.
    """
    del state
    if _dry(context):
        return
    run = current_run()
    try:
        run.finish()
    except Exception as error:  # noqa: BLE001
        # Also of our own mistakes: Chaos Toolkit swallows them, and what wasn't measured would be no reason.
        _log(error)
        run.errors.append(
            str(error) if isinstance(error, ChaosP7Error) else f"{type(error).__name__}: {error}"
        )
    finally:
        # Past the method nothing may interrupt Chaos Toolkit: it would lose its journal.
        run.unguard()
    if run.ending.over.is_set():
        raise SystemExit(EXIT_GRACEFULLY)  # nobody wants the steady state of a run that is aborted


def before_rollback_control(context: Mapping[str, Any], **_: Any) -> None:
    """Let nothing interrupt what cleans up.

    Args:
        context: the experiment.
    """
    if not _dry(context):
        ignore_interrupts()
        current_run().stages.enter(Stage.ROLLBACKS)


def after_experiment_control(context: Mapping[str, Any], state: dict[str, Any], **_: Any) -> None:
    """Judge, write the evidence, print the result, and leave the platform as it was found.

    Args:
        context: the experiment.
        state: Chaos Toolkit's journal; gets the result under ``x-chaosp7``.
    """
    if _failed_before_the_run:
        state[JOURNAL_KEY] = {"verdict": "error", "reasons": list(_failed_before_the_run)}
        _failed_before_the_run.clear()
        Exporting(record_of(str(context.get("title", "")), None), Exports()).wait()
        return
    if dry := _dry(context):
        state[JOURNAL_KEY] = {"verdict": None, "dry": dry, "reasons": ["dry run: nothing was tested"]}
        close_run()
        return
    ignore_interrupts()
    run = current_run()
    run.ending.conclude()
    run.stages.enter(Stage.CONCLUDING)
    run.unguard()
    if run.ending.reason is not None:
        state["status"] = "aborted"
    exporting: Exporting | None = None
    try:
        evidence = run.conclude(state)
        state[JOURNAL_KEY] = {
            "verdict": evidence.verdict,
            "reasons": evidence.reasons,
            **({"evidence": str(run.folder / "evidence.json")} if run.folder.name else {}),
            "tiers": msgspec.to_builtins([msgspec.structs.replace(t, ranges=[]) for t in evidence.tiers]),
            "recovery": msgspec.to_builtins(evidence.recovery),
        }
        if evidence.verdict != "passed" and state["status"] == "completed" and not state["deviated"]:
            state["status"] = "failed"  # or else `chaos run` would end with exit code 0
        print_summary(evidence, _console())
        if run.folder.name:
            logger.info("Evidence: %s", run.folder / "evidence.json")
            write_page(run.folder)
        exporting = _export(run, evidence)
    except Exception as error:
        # A control's exception is swallowed by Chaos Toolkit: without this the run would count as passed.
        logger.exception("the evidence can't be concluded")
        state[JOURNAL_KEY] = {"verdict": "error", "reasons": [f"{type(error).__name__}: {error}"]}
        state["status"] = "failed"
        exporting = _export(run, None)
    finally:
        run.release()
        if run.told is not None:
            run.told.stop()
        close_run()
        if exporting is not None:
            exporting.wait()


def _export(run: Run, evidence: Evidence | None) -> Exporting:
    """Begin to tell other systems of the run, while the platform is taken down."""
    record = record_of(run.plan.experiment, evidence, run.folder)
    return Exporting(record, run.plan.exports, run.annotator)


#: Errors from before a run was there to hold them; one experiment per process.
_failed_before_the_run: list[str] = []


def _log(error: Exception) -> None:
    """Tell the user in one line; a traceback is for our own mistakes only."""
    logger.error("%s", error, exc_info=None if isinstance(error, ChaosP7Error) else error)


def _dry(context: Mapping[str, Any]) -> str | None:
    """Return how dry the experiment is; None if all of it is carried out, with or without pauses."""
    dry = context.get("dry")
    return str(dry.value) if isinstance(dry, Dry) and dry is not Dry.PAUSE else None


def _console() -> Console:
    console = Console(stderr=True)
    # Where nobody has set a width (a file, CI), the table shall not be squeezed into 80 columns.
    return console if console.is_terminal else Console(stderr=True, width=130)
