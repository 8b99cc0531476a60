"""Safeguards: probes beside the method, each a probe of Chaos Toolkit with a tolerance.

::

    {"name": "room-on-disk", "every_s": 1,
     "provider": {"type": "python", "module": "probes.safeguards", "func": "free_disk_bytes"},
     "tolerance": {"type": "range", "range": [268435456, 1e18]}}

The first that misses its tolerance, raises, or doesn't answer ends the run: what can't be asked
protects nothing. Each has a thread of its own, so that one that hangs doesn't silence the others.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chaoslib.activity import ensure_activity_is_valid, run_activity
from chaoslib.exceptions import ChaosException
from chaoslib.hypothesis import ensure_hypothesis_tolerance_is_valid, within_tolerance

from chaosp7.errors import ConfigError

__all__ = ["DEFAULTS", "SILENT_AFTER_S", "Safeguard", "Safeguards", "safeguards_of"]

#: A safeguard that hasn't answered for so long counts as missed, seconds.
SILENT_AFTER_S: Final = 30.0

_KEYS: Final = {"type", "name", "provider", "tolerance", "every_s"}
_STOP_WITHIN_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.5
_NO_LIMIT: Final = 1e18

_FREE_DISK_BYTES: Final = 256 * 1024 * 1024
_FREE_MEMORY_BYTES: Final = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Safeguard:
    """One probe that is asked again and again.

    Attributes:
        name: what the verdict calls it.
        activity: the probe, as Chaos Toolkit has it.
        every_s: from one answer to the next question, seconds.
    """

    name: str
    activity: Mapping[str, Any]
    every_s: float = 1.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Safeguard:
        """Return a safeguard from an experiment.

        Raises:
            ConfigError: if it isn't one; the message names it.
        """
        if not isinstance(given, Mapping):
            raise ConfigError(f"a safeguard is a mapping, not {given!r}")
        name = given.get("name", "without a name")
        if unknown := set(given) - _KEYS:
            raise ConfigError(f"safeguard {name!r} has no {', '.join(sorted(unknown))}")
        every_s = given.get("every_s", 1.0)
        if isinstance(every_s, bool) or not isinstance(every_s, int | float) or every_s <= 0:
            raise ConfigError(f"safeguard {name!r}: every_s is a number of seconds, not {every_s!r}")
        activity = {"type": "probe", **{key: value for key, value in given.items() if key != "every_s"}}
        if "tolerance" not in activity:
            raise ConfigError(f"safeguard {name!r} has no tolerance: nothing could miss it")
        try:
            ensure_activity_is_valid(activity)
            ensure_hypothesis_tolerance_is_valid(activity["tolerance"])
        except ChaosException as error:
            raise ConfigError(f"safeguard {name!r}: {error}") from error
        return cls(str(name), activity, float(every_s))

    def missed(self) -> str | None:
        """Ask once; return how it missed its tolerance, in words, or None if it didn't."""
        try:
            value = run_activity(self.activity, {}, {})
            if within_tolerance(self.activity["tolerance"], value):
                return None
        except Exception as error:  # noqa: BLE001 - what can't be asked protects nothing
            return f"safeguard {self.name} failed: {error}"
        return f"safeguard {self.name}: got {value!r}, tolerance {self.activity['tolerance']!r}"


def _range(name: str, func: str, least: int) -> Safeguard:
    provider = {"type": "python", "module": "probes.safeguards", "func": func}
    tolerance = {"type": "range", "range": [least, _NO_LIMIT]}
    return Safeguard(name, {"type": "probe", "name": name, "provider": provider, "tolerance": tolerance})


#: On in every run unless they are switched off.
DEFAULTS: Final = (
    _range("free-disk", "free_disk_bytes", _FREE_DISK_BYTES),
    _range("free-memory", "free_memory_bytes", _FREE_MEMORY_BYTES),
)


def safeguards_of(given: Sequence[Mapping[str, Any]], *, defaults: bool) -> tuple[Safeguard, ...]:
    """Return a run's safeguards.

    Args:
        given: the experiment's own; one of the same name replaces a default.
        defaults: whether those of every run are among them.

    Raises:
        ConfigError: if one isn't right or a name is there twice.
    """
    own = [Safeguard.of(one) for one in given]
    names = [one.name for one in own]
    if len(set(names)) < len(names):
        raise ConfigError(f"two safeguards have the same name: {', '.join(sorted(names))}")
    return (*own, *(one for one in DEFAULTS if defaults and one.name not in names))


class Safeguards:
    """Asks all safeguards in the background from `start` to `stop`.

    Args:
        safeguards: what to ask.
        on_missed: called once, in a thread of its own, with how the first was missed.
        silent_after_s: a safeguard without an answer for so long counts as missed, seconds.
    """

    def __init__(
        self,
        safeguards: Sequence[Safeguard],
        on_missed: Callable[[str], None],
        silent_after_s: float = SILENT_AFTER_S,
    ) -> None:
        self._on_missed = on_missed
        self._silent_after_s = silent_after_s
        self._stopped = threading.Event()
        self._missed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._asked_s = {one.name: (time.monotonic(), one.every_s) for one in safeguards}
        self._watch = threading.Thread(target=self._wait, name="safeguards", daemon=True)
        self._threads = [
            threading.Thread(target=self._ask, args=[one], name=f"safeguard {one.name}", daemon=True)
            for one in safeguards
        ]

    def start(self) -> None:
        """Begin to ask; each is asked at once."""
        for name, (_, every_s) in self._asked_s.items():
            self._asked_s[name] = (time.monotonic(), every_s)
        for thread in (*self._threads, self._watch):
            thread.start()

    def stop(self) -> None:
        """Stop asking. Nothing is told any more; a probe that hangs is left to itself."""
        self._stopped.set()
        for thread in (self._watch, *self._threads):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(_STOP_WITHIN_S)

    def _ask(self, safeguard: Safeguard) -> None:
        while not self._stopped.is_set():
            if missed := safeguard.missed():
                self._missed.put(missed)
                return
            self._asked_s[safeguard.name] = (time.monotonic(), safeguard.every_s)
            self._stopped.wait(safeguard.every_s)

    def _wait(self) -> None:
        while not self._stopped.is_set():
            try:
                missed: str | None = self._missed.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                missed = self._silent()
            if missed is not None and not self._stopped.is_set():
                self._on_missed(missed)
                return

    def _silent(self) -> str | None:
        for name, (asked_s, every_s) in self._asked_s.items():
            if time.monotonic() - asked_s > every_s + self._silent_after_s:
                return f"safeguard {name} hasn't answered for {self._silent_after_s:g} s"
        return None
