"""How long a test waits for what must come: guards against hanging, said once.

That something comes soon is another matter: where that is a test's point, it says its own number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import requests

__all__ = ["ANSWER_S", "PATIENCE_S", "RUN_S", "answers", "until"]

#: How long a test waits for what must come, seconds: a machine that is three times slower must not make it fail;
#: only what hangs takes so long.
PATIENCE_S: Final = 180
#: The same for runs that bring their platforms up themselves, or installations, seconds.
RUN_S: Final = 400
#: The same for one answer of a server that is up and may be busy, seconds.
ANSWER_S: Final = 30


def until(
    true: Callable[[], object], timeout_s: float = PATIENCE_S, said: Callable[[], str] = lambda: ""
) -> None:
    """Wait for something, and fail if it doesn't come; `said` is asked then what to say beside that."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"timed out {said()}"
        time.sleep(0.01)


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Tell whether a server is there and says that all is well."""
    try:
        return requests.get(url, timeout=ANSWER_S, headers=headers).ok
    except requests.RequestException:
        return False
