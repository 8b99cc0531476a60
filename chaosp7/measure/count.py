"""A number that knows why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

__all__ = ["Count"]


class Count(int):
    """How many messages; an ``int`` that can say which.

    Under pytest ``assert account.lost == 0`` fails with these words.
    """

    _why: Callable[[], str]

    def __new__(cls, value: int, why: Callable[[], str]) -> Self:
        """Return the number.

        Args:
            value: it.
            why: returns which messages they are, in words; called at most when somebody asks.
        """
        count = super().__new__(cls, value)
        count._why = why
        return count

    @property
    def why(self) -> str:
        """Which messages they are, in words."""
        return self._why()

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        """Be copied and saved as a plain number."""
        return int, (int(self),)
