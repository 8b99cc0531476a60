"""How much of the time looks may take. Pure."""

from __future__ import annotations

__all__ = ["Share"]


class Share:
    """Keeps looks to a share of the time: what measures must not slow what is measured.

    The share is one of the average. After looks that were short a slow one may be followed at once, or else
    just that one would leave a gap in which nobody knows anything.

    Args:
        share: at most, of all time.
        burst_s: how much looks may be ahead of it, seconds.
        now_ns: when it begins, monotonic.
    """

    def __init__(self, share: float, burst_s: float, now_ns: int) -> None:
        self._share = share
        self._burst_s = burst_s
        self._credit_s = burst_s
        self._counted_ns = now_ns

    def spend(self, begun_ns: int, ended_ns: int) -> float:
        """Count a look.

        Args:
            begun_ns: when it began.
            ended_ns: when it ended.

        Returns:
            How long the next one has to wait, seconds.
        """
        earned_s = self._share * (ended_ns - self._counted_ns) / 1e9
        self._credit_s = min(self._burst_s, self._credit_s + earned_s) - (ended_ns - begun_ns) / 1e9
        self._counted_ns = ended_ns
        return max(0.0, -self._credit_s / self._share)
