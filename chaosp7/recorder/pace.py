"""How long a sampler may look away. Pure.

A tier that has shown a message stays fresh until the tolerance after that message was sent, whatever
comes. A look that is over by then proves that it was fresh all the time, or tells from when on it
wasn't: looks in between would prove no more.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Distances of looks.

    Attributes:
        full_s: from one look to the next at full attention, seconds.
        rest_s: at most, when all tiers are well, seconds.
        margin_s: a look begins at least so long before a tier can become stale, seconds: it takes time,
            and if it finds the tier late, those after it follow at full attention.
    """

    full_s: float
    rest_s: float
    margin_s: float

    def away_s(self, spare_s: float) -> float | None:
        """Return how long nothing need be looked at; None: full attention is due.

        Args:
            spare_s: how long the tiers stay fresh if nothing more comes, seconds.
        """
        away_s = min(self.rest_s, spare_s - self.margin_s)
        return away_s if away_s > self.full_s else None
