"""The load ends at an exact count, which the source must hear of before it gets there."""

import time
from dataclasses import dataclass, field

import pytest

from chaosp7.run.load import Load, LoadStatus
from chaosp7.run.load_end import end_load


@dataclass
class Source(Load):
    """A source that has been sending for a while."""

    so_far_s: float
    rate_per_s: float = 1000.0
    asked: list[int] = field(default_factory=list)

    def checked_status(self) -> LoadStatus:
        start_ns = time.monotonic_ns() - int(self.so_far_s * 1e9)
        return LoadStatus("running", None, int(self.so_far_s * 1000), start_ns, None, {}, {})

    def finish(self, messages: int, *_: object) -> LoadStatus:  # type: ignore[override]
        self.asked.append(messages)
        return self.checked_status()


@pytest.mark.parametrize(
    ("so_far_s", "duration_s", "settle_s", "wanted"),
    [(2.0, 10.0, 3.0, 10_000), (9.0, 10.0, 3.0, 12_000), (9.0, 5.0, 0.0, 9_500)],
    ids=["its own length", "time to settle", "long over: still ahead of the source"],
)
def test_the_load_goes_on_for_as_long_as_asked(
    so_far_s: float, duration_s: float, settle_s: float, wanted: int
) -> None:
    source = Source(so_far_s)
    end_load(source, duration_s, settle_s)
    (asked,) = source.asked
    assert wanted <= asked <= wanted + 100  # a tenth of a second for this machine to stand still
