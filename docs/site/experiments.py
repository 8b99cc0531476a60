"""The page of the experiments: what each does, in its own words, and what it allows."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from chaosp7.platform.loader import PLATFORM_ENV
from chaosp7.suite.examine import Examined, examine

__all__ = ["experiments_page"]

_HEAD = """# The experiments

Those of `experiments/`, as `chaosp7 list` and `chaosp7 plan` read them. Run one with
`chaos run experiments/NAME.json`, or many as a [suite](docs/suite.md). A budget that isn't named is 0.
"""


def experiments_page(folder: Path) -> str:
    """Return the page, in Markdown.

    Args:
        folder: where the experiments are.
    """
    os.environ.pop(PLATFORM_ENV, None)  # what the site says doesn't depend on whose machine builds it
    return "\n".join([_HEAD, *(_entry(examine(path)) for path in sorted(folder.glob("*.json")))])


def _entry(one: Examined) -> str:
    faults = ", ".join(f"`{kind}` of `{target}`" for kind, target in one.faults)
    untold = one.plan.faults_expected - len(one.faults)
    if untold > 0:
        faults = f"{untold} that only a running platform can tell"
    budget = {key: value for key, value in msgspec.to_builtins(one.plan.budget).items() if value}
    recovery_s = budget.pop("recovery_s", None)
    allowed = [f"recovery within {recovery_s:g} s"] if recovery_s is not None else []
    allowed += [f"{key} {value:,}" for key, value in budget.items()]
    return (
        f"## {one.plan.experiment}\n\n{one.content['description']}\n\n"
        f"- Faults: {faults or 'none'}\n"
        f"- Budget: {', '.join(allowed) or 'nothing may be missing or wrong'}\n"
        f"- Platform: {f'its own, `{one.own_platform}`' if one.own_platform else 'any'}\n"
        f"- Takes about {one.expected_s:.0f} s\n"
    )
