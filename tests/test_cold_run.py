"""A run with the cold tier: object store killed, offload crashed and run twice, and all arrives exactly once."""

from pathlib import Path

import pytest

from chaosp7.embedded import provision
from tests.short import action, evidence_of, run_short, write_experiment

pytestmark = [pytest.mark.alone, pytest.mark.soak]


def test_a_run_accounts_for_the_cold_tier_and_says_how_the_offload_took_each_fault(
    tmp_path: Path, parts: provision.Parts
) -> None:
    del parts  # only have to be there
    method = [
        action("kill", "kill_service", service="minio", duration_s=6),
        action("crash_at", "crash_offload_at", step="after-commit") | {"pauses": {"before": 5}},
        action("second", "run_second_offload", duration_s=5),
    ]
    experiment = write_experiment(
        tmp_path, method, platform="embedded-cold", duration_s=25, settle_s=5, drain_deadline_s=60
    )
    run = run_short(experiment, tmp_path / "state", limit_s=200)
    evidence = evidence_of(run, tmp_path)
    assert evidence.load is not None, run.output
    tiers = ["topic", "raw", "bronze", "silver", "gold", "cold-gold", "cold"]
    assert [tier.tier for tier in evidence.tiers] == tiers
    for tier in evidence.tiers:
        classes = (tier.lost, tier.late, tier.corrupted, tier.duplicated, tier.unexpected)
        assert (tier.delivered, classes) == (evidence.load.messages, (0,) * 5), (tier, run.output)
    killed, crashed, doubled = evidence.faults
    assert killed.verified_end_ns is not None
    assert crashed.verified_end_ns is not None
    assert (doubled.lasted, doubled.error) == (True, None), run.output
    assert doubled.verified_end_ns is not None
    assert "ended after-commit" in " ".join(crashed.proof)
    reports = {report.fault: report for report in evidence.offload}
    assert reports[0].failures > 0
    assert reports[0].watermarks_moved == []
    assert reports[0].resumed_s is not None
    # The process that died and the one that came after it: some looks found nobody.
    assert reports[1].unanswered > 0
