"""Prometheus' text format, version 0.0.4. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chaosp7.exports.text import unicode_of

__all__ = ["Gauge", "exposition"]

_IN_HELP = {ord("\\"): r"\\", ord("\n"): r"\n"}
_IN_LABEL = _IN_HELP | {ord('"'): r"\""}


@dataclass(slots=True)
class Gauge:
    """A gauge with all its series.

    Attributes:
        name: by Prometheus' conventions, the unit at its end.
        help: what it is, in one sentence.
    """

    name: str
    help: str
    _series: dict[str, float] = field(default_factory=dict)

    def set(self, labels: Mapping[str, str], value: float) -> None:
        """Set the value of one series; the last one counts, for a series that is there twice is refused.

        Args:
            labels: any text.
            value: infinity and NaN are values, too.
        """
        inner = ",".join(f'{name}="{unicode_of(text).translate(_IN_LABEL)}"' for name, text in labels.items())
        self._series[f"{{{inner}}}" if inner else ""] = value

    def lines(self) -> list[str]:
        """Return it as text; nothing if it has no series."""
        if not self._series:
            return []
        return [
            f"# HELP {self.name} {unicode_of(self.help).translate(_IN_HELP)}",
            f"# TYPE {self.name} gauge",
            *(f"{self.name}{labels} {_number(value)}" for labels, value in self._series.items()),
        ]


def exposition(gauges: Sequence[Gauge]) -> str:
    """Return gauges as a file for the textfile collector."""
    return "".join(f"{line}\n" for gauge in gauges for line in gauge.lines())


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
