"""Cut the power: all services are killed at once (SIGKILL), and started again together.

What a process had handed to the kernel survives it; what a real power cut takes from the page
cache isn't taken here.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import Reached
from chaosp7.actions.kill import Kill
from chaosp7.errors import ChaosP7Error, ConfigError
from chaosp7.platform.model import Part
from chaosp7.safety.undo import Undo

__all__ = ["cut_power"]

T = TypeVar("T")


class PowerCut:
    """The fault: the services are gone for a set time, all together.

    Args:
        on: the platform.
        services: which; none: all but the exchange, which isn't the platform's.
        duration_s: how long they stay down, seconds.
        healthy_within_s: how long each may take to be healthy again, seconds.
    """

    kind = "power-cut"

    def __init__(
        self, on: Reached, services: Sequence[str], duration_s: float, healthy_within_s: float
    ) -> None:
        names = list(services) or [
            name for name, service in on.model.services.items() if service.part is not Part.EXCHANGE
        ]
        if len(set(names)) < len(names):
            raise ConfigError(f"a service is named twice: {', '.join(names)}")
        self._kills = [Kill(on.driver, name, 0.0, healthy_within_s) for name in names]
        self.target = ",".join(names)
        self._duration_s = duration_s

    @property
    def undo(self) -> list[Undo]:
        """Start all."""
        return [undo for kill in self._kills for undo in kill.undo]

    @property
    def max_s(self) -> float:
        """The fault's own time, and that of its healing."""
        return self._duration_s + max(kill.max_s for kill in self._kills)

    def inject(self) -> None:
        """Kill all at once."""
        self._together(lambda kill: kill.inject())

    def verify(self) -> tuple[int, str]:
        """See that all are gone; the last one counts."""
        seen = [kill.verify() for kill in self._kills]
        first_ns, last_ns = min(at for at, _ in seen), max(at for at, _ in seen)
        return last_ns, f"{len(seen)} services ended within {(last_ns - first_ns) / 1e6:.0f} ms"

    def hold(self, over: Event) -> None:
        """Let it last, and see that nothing came back meanwhile."""
        over.wait(self._duration_s)
        for kill in self._kills:
            kill.refuse_gone()

    def heal(self) -> None:
        """Start all at once, and wait until all are healthy."""
        self._together(lambda kill: kill.heal())

    def verify_healed(self) -> tuple[int, str]:
        """See that all are healthy; the last one counts."""
        return max(
            kill.verify_healed()[0] for kill in self._kills
        ), f"{len(self._kills)} services healthy again"

    def _together(self, step: Callable[[Kill], T]) -> list[T]:
        """Take a step for all services at once; all are taken before the first error is raised."""
        with ThreadPoolExecutor(len(self._kills)) as pool:
            steps = [pool.submit(step, kill) for kill in self._kills]
        errors = [error for taken in steps if (error := taken.exception()) is not None]
        for error in errors:
            if not isinstance(error, ChaosP7Error):
                raise error
        if errors:
            raise errors[0]
        return [taken.result() for taken in steps]


def cut_power(services: Sequence[str] = (), duration_s: float = 2.0, healthy_within_s: float = 60.0) -> str:
    """Kill services all at once, and start them again together.

    Args:
        services: names of services; none: all but the exchange.
        duration_s: how long they stay down, seconds.
        healthy_within_s: how long each may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        PowerCut.kind,
        ",".join(services) or "everything",
        {"duration_s": duration_s},
        lambda run: PowerCut(run, services, duration_s, healthy_within_s),
    )
