"""Is every tier fresh within its tolerance?"""

import logging
import time

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error
from chaosp7.run.current import current_run

__all__ = ["all_tiers_fresh"]

logger = logging.getLogger("chaostoolkit")


def all_tiers_fresh(timeout_s: float = 30.0, stable_s: float = 3.0) -> bool:
    """Wait until every tier has been fresh for a while; after the run, say whether all is there.

    After the run nothing flows any more: then every tier must have all that the broker had confirmed.

    Args:
        timeout_s: how long to wait, seconds.
        stable_s: how long every tier must have been fresh without a break, seconds.

    Returns:
        Whether they were within that time.

    Raises:
        ActivityFailed: if it can't be told.
    """
    try:
        run = current_run()
        if run.finished:
            return run.accounts().whole
        deadline = time.monotonic() + timeout_s
        fresh_since = None
        ages_ns: dict[str, int | None] = {}
        while time.monotonic() < deadline:
            ages_ns = run.recorder.staleness_ns()
            limits_ms = {name: tier.fresh_within_ms for name, tier in run.model.tiers.items()}
            fresh = all(age is not None and age <= limits_ms[name] * 1e6 for name, age in ages_ns.items())
            now = time.monotonic()
            fresh_since = (fresh_since or now) if fresh else None
            if fresh_since is not None and now - fresh_since >= stable_s:
                return True
            time.sleep(0.05)
        seen = {name: "unreadable" if age is None else f"{age / 1e9:.2f} s" for name, age in ages_ns.items()}
        logger.warning("Not every tier is fresh: %s", ", ".join(f"{n} {a}" for n, a in seen.items()))
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    return False
