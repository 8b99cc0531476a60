"""The raw evidence as a page may hold it: nothing in it can end its script element. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from chaosp7.report.plain import plain
from chaosp7.report.records import RunRecord

__all__ = ["embedded"]

_BYTES_MAX: Final = 650_000


def embedded(runs: Sequence[RunRecord]) -> str:
    """Return the runs' evidence as JSON for a script element.

    Where it would make the page too big, the ranges of lost messages are left out of it and counted
    instead: the files of the runs have them all.
    """
    text = msgspec.json.encode(plain(runs))
    for keep in (10, 1, 0):
        if len(text) <= _BYTES_MAX:
            break
        text = msgspec.json.encode(_without_ranges(runs, keep))
    # A script ends at `</script`, and `<!--` begins what hides it; JSON can do without any `<`.
    return text.decode().replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _without_ranges(runs: Sequence[RunRecord], keep: int) -> dict[str, Any]:
    content = plain(runs)
    for entry in content["runs"]:
        if (evidence := entry["evidence"]) is not None:
            tiers = [
                msgspec.structs.replace(
                    tier,
                    ranges=tier.ranges[:keep],
                    ranges_left_out=tier.ranges_left_out + max(0, len(tier.ranges) - keep),
                )
                for tier in evidence.tiers
            ]
            entry["evidence"] = msgspec.structs.replace(evidence, tiers=tiers)
    return content
