"""Nobody says "unaffected" of a tier that nobody looked at for long."""

from chaosp7.run.evidence import RecoveryReport
from chaosp7.run.unseen import unseen_for_long


def report(tier: str, unproven_s: float) -> RecoveryReport:
    return RecoveryReport(
        fault=0,
        tier=tier,
        outcome="never-stale",
        tolerance_ms=500,
        recovery_s=None,
        uncertainty_s=unproven_s,
        detection_s=None,
        outage_s=0.0,
        first_new_s=None,
        backlog_gone_s=None,
        unproven_s=unproven_s,
        samples=10,
        interval_ms={},
    )


def test_a_gap_within_the_tolerance_is_no_doubt_and_a_longer_one_is_named_with_its_tier() -> None:
    assert unseen_for_long([report("topic", 0.5), report("raw", 0.0)]) == []
    (doubt,) = unseen_for_long([report("topic", 0.5), report("raw", 0.51)])
    assert "raw" in doubt
    assert "0.51 s" in doubt
