"""Faults of a test: injected by name, in force until the test has them healed."""

from __future__ import annotations

import inspect
import pkgutil
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from types import TracebackType
from typing import Final, Protocol, Self

from chaoslib.exceptions import ActivityFailed

from chaosp7 import actions
from chaosp7.actions._fault import Fault, carry_out, made_by
from chaosp7.errors import ChaosP7Error, ConfigError, NotVerifiedError
from chaosp7.run.evidence import FaultRecord
from chaosp7.run.run import Run

__all__ = ["AT_MOST_S", "Faults", "HeldFault", "fault_names", "inject"]

#: How long a fault may last before it is healed without being asked, seconds.
AT_MOST_S: Final = 120.0

_DURATION: Final = "duration_s"
_LOOK_EVERY_S: Final = 0.01


class HeldFault:
    """One injected fault; leaving its ``with`` block heals it.

    It is carried out in a thread of its own, as Chaos Toolkit does in the background, so that it ends by
    itself at its limit, and at once when a safeguard ends the run.

    Args:
        run: the current one.
        fault: what to carry out.
        record: where its steps are noted; belongs to the run already.

    Attributes:
        record: what was seen, and when.
    """

    def __init__(self, run: Run, fault: Fault, record: FaultRecord) -> None:
        self.record = record
        self._run = run
        self._over = run.ending.linked()
        self._error: BaseException | None = None
        self._told = False
        ledger = run.fault_ledger()
        self._carry_out = partial(
            carry_out,
            fault,
            record,
            ledger,
            run.id,
            self._over,
            cut_short="held until the test had it healed",
        )
        self._thread = threading.Thread(target=self._work, name=f"fault {record.target}", daemon=True)

    def begin(self) -> None:
        """Inject it, and return when it was seen to take effect.

        Raises:
            FaultError: if it wasn't; it is healed then.
        """
        self._thread.start()
        while self._thread.is_alive() and self.record.verified_start_ns is None:
            self._thread.join(_LOOK_EVERY_S)
        if self.record.verified_start_ns is None:
            self.heal()

    def to_its_end(self) -> None:
        """Inject it and wait until it has ended by itself.

        Raises:
            FaultError: if it wasn't seen to take effect, to last, or to be undone.
        """
        self._thread.start()
        self._thread.join()
        self._tell()

    def heal(self) -> None:
        """Undo it, and return when that was seen. The second call does nothing.

        Raises:
            NotVerifiedError: if it was gone before, for its limit or for another reason.
            FaultError: if it wasn't seen to take effect, or can't be undone.
        """
        if self._told:
            return
        ended_by_itself = not self._over.is_set() and not self._thread.is_alive()
        self._over.set()
        self._thread.join()
        if ended_by_itself and self._error is None:
            self.record.lasted = False
            self.record.error = "it ended at its limit (at_most_s), before the test had it healed"
            self._error = NotVerifiedError(f"{self.record.kind} {self.record.target}: {self.record.error}")
        self._tell()

    def _tell(self) -> None:
        self._told = True
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            with self._run.close_up():
                self._carry_out()
        except BaseException as error:  # noqa: BLE001 - raised where the test waits for it
            self._error = error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            self.heal()
        except ChaosP7Error as trouble:
            if error is None:
                raise
            # The test's own failure comes first; the evidence has this one as well.
            error.add_note(f"chaosp7: {trouble}")


class Faults(Protocol):
    """Injects a fault by name; see `chaosp7.measure.messages.Messages.fault`."""

    def __call__(
        self, name: str, *arguments: object, at_most_s: float = AT_MOST_S, **named: object
    ) -> HeldFault:
        """Inject it, and return when it was seen to take effect."""
        ...


def inject(
    run: Run,
    name: str,
    arguments: Sequence[object],
    named: Mapping[str, object],
    at_most_s: float,
    known: Callable[[HeldFault], None],
) -> HeldFault:
    """Inject a fault in the current run.

    It is in force until it is healed, unless it is given a time of its own (``duration_s``), or has a
    course of its own, like a restart: then it has ended when this returns.

    Args:
        run: the current one.
        name: of the fault: that of its module in `chaosp7.actions`, or of the action in it.
        arguments: of the action.
        named: of the action, by name.
        at_most_s: how long it may last before it is healed without being asked, seconds.
        known: is told of it before it is injected.

    Raises:
        ConfigError: if there is no such fault, service or link, or an argument is wrong.
        FaultError: if it isn't seen to take effect, or, where it ends by itself, to last and be undone.
    """
    action = _action(name)
    signature = inspect.signature(action)
    try:
        given = signature.bind(*arguments, **named).arguments
    except TypeError as error:
        raise ConfigError(f"fault {name!r} takes {signature}: {error}") from None
    held = _DURATION in signature.parameters and _DURATION not in given
    if held:
        given[_DURATION] = at_most_s
    try:
        fault, record = made_by(partial(action, **given))
    except ActivityFailed as error:
        raise error.__cause__ if isinstance(error.__cause__, ChaosP7Error) else error from None
    if held:
        record.detail = {k: v for k, v in record.detail.items() if k != _DURATION} | {"at_most_s": at_most_s}
    result = HeldFault(run, fault, record)
    run.faults.append(record)
    known(result)
    if held:
        result.begin()
    else:
        result.to_its_end()
    return result


def fault_names() -> list[str]:
    """Return the names of all faults."""
    names = (module.name for module in pkgutil.iter_modules(actions.__path__))
    return sorted(name for name in names if not name.startswith("_") and name != "start")


def _action(name: str) -> Callable[..., str]:
    wanted = name.replace("-", "_")
    known = fault_names()
    for module_name in [wanted] if wanted in known else known:
        module = import_module(f"{actions.__name__}.{module_name}")
        (function,) = module.__all__
        if wanted in (module_name, function):
            found: Callable[..., str] = getattr(module, function)
            return found
    raise ConfigError(f"unknown fault {name!r}; there are: {', '.join(known)}")
