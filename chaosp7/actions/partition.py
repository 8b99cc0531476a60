"""Part services into groups: nothing passes any link between two of them."""

from collections.abc import Sequence
from threading import Event

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import BOTH, LinkFault, Reached, directions
from chaosp7.errors import ChaosP7Error, ConfigError
from chaosp7.platform.links import Toxic
from chaosp7.platform.model import Platform
from chaosp7.safety.undo import Undo

__all__ = ["partition_services"]


class Partition:
    """The fault: every link across the groups swallows everything, in both directions.

    Args:
        on: the platform.
        groups: services; those that are in no group keep all their links.
        duration_s: how long it lasts, seconds.
    """

    kind = "partition"

    def __init__(self, on: Reached, groups: Sequence[Sequence[str]], duration_s: float) -> None:
        links = _across(on.model, groups)
        self.target = " | ".join(",".join(group) for group in groups)
        self._duration_s = duration_s
        self._cuts = [
            LinkFault(
                on, self.kind, link, 0.0, [Toxic("timeout", s, {"timeout": 0}) for s in directions(BOTH)]
            )
            for link in links
        ]

    @property
    def undo(self) -> list[Undo]:
        """Make every link clean."""
        return [undo for cut in self._cuts for undo in cut.undo]

    @property
    def max_s(self) -> float:
        """The fault's own time, and that of its healing."""
        return self._duration_s + max(cut.max_s for cut in self._cuts)

    def inject(self) -> None:
        """Cut all links."""
        for cut in self._cuts:
            cut.inject()

    def verify(self) -> tuple[int, str]:
        """See that every link is cut; the last one seen counts."""
        seen = [cut.verify() for cut in self._cuts]
        return max(at_ns for at_ns, _ in seen), f"cut, read back: {', '.join(c.target for c in self._cuts)}"

    def hold(self, over: Event) -> None:
        """Let it last, and see that every link is still cut."""
        over.wait(self._duration_s)
        for cut in self._cuts:
            cut.refuse_gone()

    def heal(self) -> None:
        """Make all links clean, also when one of them fails."""
        errors = []
        for cut in self._cuts:
            try:
                cut.heal()
            except ChaosP7Error as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def verify_healed(self) -> tuple[int, str]:
        """See that all links are clean."""
        return max(cut.verify_healed()[0] for cut in self._cuts), f"{len(self._cuts)} links are clean"


def _across(platform: Platform, groups: Sequence[Sequence[str]]) -> list[str]:
    """Return the links between services of different groups."""
    side = {}
    for number, group in enumerate(groups):
        for name in group:
            platform.service(name)
            if name in side:
                raise ConfigError(f"service {name!r} is in two groups")
            side[name] = number
    links = [
        name
        for name, link in platform.links.items()
        if link.client in side and link.server in side and side[link.client] != side[link.server]
    ]
    if not links:
        raise ConfigError("no link goes from one group to another: nothing would be cut")
    return links


def partition_services(groups: Sequence[Sequence[str]], duration_s: float = 10.0) -> str:
    """Part services into groups that can't reach each other.

    Args:
        groups: names of services, group by group; the others keep all their links.
        duration_s: for how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    target = " | ".join(",".join(group) for group in groups)
    return inject_fault(
        Partition.kind,
        target,
        {"duration_s": duration_s},
        lambda run: Partition(run, groups, duration_s),
    )
