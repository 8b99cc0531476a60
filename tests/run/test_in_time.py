"""In time is what is known to be; what nobody can tell is neither in time nor late."""

import msgspec
import pytest

from chaosp7.run.evidence import Budget, RecoveryReport
from chaosp7.run.in_time import in_time, unseen
from tests.suite.evidences import evidence


def report(
    outcome: str,
    recovery_s: float | None,
    uncertainty_s: float,
    last_stale_s: float | None = None,
    unproven_s: float = 0.0,
) -> RecoveryReport:
    return RecoveryReport(
        fault=0,
        tier="raw",
        outcome=outcome,
        tolerance_ms=500,
        recovery_s=recovery_s,
        uncertainty_s=uncertainty_s,
        detection_s=None,
        last_stale_s=last_stale_s,
        outage_s=0.0,
        first_new_s=None,
        backlog_gone_s=None,
        unproven_s=unproven_s,
        samples=10,
        interval_ms={},
    )


@pytest.mark.parametrize(
    ("outcome", "recovery_s", "uncertainty_s", "last_stale_s", "told"),
    [
        ("recovered", 9.0, 1.0, 8.0, True),
        ("recovered", 9.0, 1.1, 8.0, None),
        ("recovered", 11.0, 1.0, 8.0, None),
        ("recovered", 11.1, 1.0, 8.0, False),
        ("recovered", 21.4, 10.8, 10.6, False),
        ("recovered", None, 0.1, 8.0, False),
        ("never-stale", None, 10.0, None, True),
        ("never-stale", None, 10.1, None, None),
        ("not-recovered", None, 0.1, 10.0, None),
        ("not-recovered", None, 0.1, None, None),
        ("not-recovered", None, 0.1, 10.1, False),
        ("not-measured", None, 0.0, None, None),
    ],
)
def test_a_limit_of_ten_seconds(
    outcome: str,
    recovery_s: float | None,
    uncertainty_s: float,
    last_stale_s: float | None,
    told: bool | None,
) -> None:
    unproven_s = uncertainty_s
    assert in_time(report(outcome, recovery_s, uncertainty_s, last_stale_s, unproven_s), 10.0) is told


@pytest.mark.parametrize(
    ("unproven_s", "limit_s", "told"),
    [(0.5, 10.0, True), (0.501, 10.0, None), (0.5, 0.5, True), (0.5, 0.499, None), (0.0, 0.0, True)],
)
def test_a_tier_never_seen_stale_may_be_unproven_for_its_tolerance_and_the_limit(
    unproven_s: float, limit_s: float, told: bool | None
) -> None:
    assert in_time(report("never-stale", None, 25.0, unproven_s=unproven_s), limit_s) is told


def test_unseen_are_the_tiers_that_may_have_been_stale_for_longer_than_the_budget() -> None:
    reports = [
        report("never-stale", None, 10.0, unproven_s=9.0),
        report("never-stale", None, 10.1, unproven_s=9.0),
        report("never-stale", None, 10.2, unproven_s=9.0),
        report("recovered", 9.0, 1.0, 8.0),
        report("not-recovered", None, 0.1, None),
        report("not-measured", None, 0.0),
    ]
    names = ("seen", "unseen", "unseen", "recovered", "not-recovered", "not-measured")
    named = [msgspec.structs.replace(one, tier=name) for one, name in zip(reports, names, strict=True)]
    budgeted = msgspec.structs.replace(evidence(recoveries=named), budget=Budget(recovery_s=10))
    assert unseen(budgeted) == ["unseen"]


def test_without_a_budget_unseen_is_what_may_have_been_stale_for_longer_than_its_tolerance() -> None:
    reports = [
        report("never-stale", None, 25.0, unproven_s=0.5),
        report("never-stale", None, 25.0, unproven_s=0.501),
        report("recovered", 9.0, 1.0, 8.0, unproven_s=9.0),
        report("not-measured", None, 0.0, unproven_s=9.0),
    ]
    names = ("seen", "unseen", "recovered", "not-measured")
    named = [msgspec.structs.replace(one, tier=name) for one, name in zip(reports, names, strict=True)]
    assert unseen(msgspec.structs.replace(evidence(recoveries=named), budget=Budget())) == ["unseen"]
