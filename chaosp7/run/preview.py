"""What an experiment would do, in words: every activity in order, every fault with its undoing."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from chaoslib import substitute
from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ConfigError, NotRunningError
from chaosp7.run.current import close_run, open_run
from chaosp7.run.evidence import FaultRecord
from chaosp7.run.planned import PlannedRun
from chaosp7.run.preflight import is_fault

if TYPE_CHECKING:
    from chaosp7.actions._fault import Fault

__all__ = ["preview"]

#: A feed's messages come at random: one in so much of the tolerance leaves no stale moments between them.
_OFTEN_ENOUGH = 0.4


def preview(
    experiment: Mapping[str, Any], run: PlannedRun, configuration: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the lines of what would happen.

    Args:
        experiment: Chaos Toolkit's experiment.
        run: stands for the run while the faults are made.
        configuration: what ``${...}`` in arguments stands for.

    Raises:
        ConfigError: if an activity's arguments don't fit.
    """
    yield from _head(run)
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    for title, activities in (
        ("before and after the method", hypothesis.get("probes")),
        ("method", experiment.get("method")),
        ("rollbacks", experiment.get("rollbacks")),
    ):
        if activities:
            yield ""
            yield title
        for number, activity in enumerate(activities or (), 1):
            yield from _activity(number, activity, run, configuration)


def _head(run: PlannedRun) -> Iterator[str]:
    plan = run.plan
    budget = ", ".join(f"{key} {value}" for key, value in msgspec.to_builtins(plan.budget).items())
    safeguards = ", ".join(f"{one.name} (every {one.every_s:g} s)" for one in plan.safeguards) or "none"
    yield plan.experiment
    yield f"  platform    {run.model.name} ({run.model.path})"
    yield (
        f"  load        {plan.rate_per_s:g} messages/s for at least {plan.duration_s:g} s, and "
        f"{plan.settle_s:g} s beyond the method; seed {plan.seed}"
    )
    yield from _too_slow(run)
    yield f"  drain       at most {plan.drain_deadline_s:g} s"
    yield f"  budget      {budget}"
    yield f"  safeguards  {safeguards}"
    yield f"  reports     {plan.reports}"


def _too_slow(run: PlannedRun) -> Iterator[str]:
    """Warn of feeds that send so rarely that they are stale between their messages."""
    feeds = sum(len(symbols) for symbols in run.model.feeds.values())
    name, tier = min(run.model.tiers.items(), key=lambda one: one[1].fresh_within_ms)
    each_s, within_s = feeds / run.plan.rate_per_s, tier.fresh_within_ms / 1000
    if each_s > _OFTEN_ENOUGH * within_s:
        yield (
            f"  WARNING     each of {feeds} feeds sends about once in {each_s:.2g} s, and {name} is to be "
            f"fresh within {within_s:g} s: the steady state may never be met"
        )


def _activity(
    number: int, activity: Mapping[str, Any], run: PlannedRun, configuration: Mapping[str, Any]
) -> Iterator[str]:
    if "ref" in activity:
        yield f"  {number}. as {activity['ref']}"
        return
    provider = activity["provider"]
    arguments = substitute(provider.get("arguments") or {}, configuration, {})
    pauses = substitute(activity.get("pauses") or {}, configuration, {})
    notes = [f"{when} a pause of {pauses[key]} s" for key, when in _PAUSES.items() if pauses.get(key)]
    notes += ["in the background"] if activity.get("background") else []
    yield f"  {number}. {activity['name']}{''.join(f', {note}' for note in notes)}"
    if provider["type"] != "python":
        yield f"       {provider['type']} {provider.get('path') or provider.get('url')} {arguments or ''}"
        return
    function = getattr(importlib.import_module(provider["module"]), provider["func"])
    try:
        bound = inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"activity {activity['name']!r}: {error}") from error
    bound.apply_defaults()
    given = ", ".join(f"{key}={value!r}" for key, value in bound.arguments.items())
    yield f"       {provider['module']}.{provider['func']}({given})"
    if "tolerance" in activity:
        yield f"       tolerance {activity['tolerance']!r}"
    if is_fault(activity):
        yield from _faults(str(activity["name"]), function, arguments, run)


_PAUSES = {"before": "after", "after": "then"}


def _faults(name: str, function: Any, arguments: Mapping[str, Any], run: PlannedRun) -> Iterator[str]:
    known = len(run.planned)
    open_run(run)
    try:
        function(**arguments)
    except (ActivityFailed, TypeError, ValueError) as error:
        # TypeError, ValueError: an argument of another type than the action's own.
        if isinstance(error.__cause__, NotRunningError):
            yield "       what it does can only be told once the platform runs"
            return
        raise ConfigError(f"activity {name!r}: {error}") from error
    finally:
        close_run()
    for fault, record in run.planned[known:]:
        yield from _fault(fault, record)


def _fault(fault: Fault, record: FaultRecord) -> Iterator[str]:
    detail = ", ".join(f"{key} {value}" for key, value in record.detail.items())
    undo = ", ".join(f"{undo.op} {undo.target}" for undo in fault.undo) or "nothing has to be undone"
    yield f"       fault     {fault.kind} of {fault.target}{f': {detail}' if detail else ''}"
    yield f"       injected  {_said(fault.inject)}"
    yield f"       verified  {_said(fault.verify)}"
    yield f"       at most   {fault.max_s:g} s, healing included; after that the watchdog ends it"
    yield f"       undone    {undo}: {_said(fault.heal)} {_said(fault.verify_healed)}"


def _said(step: Any) -> str:
    """Return what a step says of itself: the first line of its docstring."""
    return (inspect.getdoc(step) or "").partition("\n")[0]
