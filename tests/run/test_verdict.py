"""The verdict has one order of precedence, and nothing tested is never passed."""

from typing import Any

import msgspec
import pytest

from chaosp7.run.evidence import Budget, FaultRecord, LoadReport, RecoveryReport, TierReport
from chaosp7.run.verdict import Findings, Verdict, judge

TIERS = ("topic", "gold")
GOOD_TIER = TierReport(
    tier="topic", sent=100, delivered=100, lost=0, duplicated=0, reordered=0, corrupted=0, late=0,
    unexpected=0, lost_here=0, drained=True,
)  # fmt: skip
GOOD_RECOVERY = RecoveryReport(
    fault=0,
    tier="topic", outcome="recovered", tolerance_ms=500, recovery_s=3.0, uncertainty_s=0.01,
    detection_s=0.5, last_stale_s=2.9, outage_s=2.5, first_new_s=2.9, backlog_gone_s=3.2, samples=100, interval_ms={},
)  # fmt: skip
FAULT = FaultRecord(
    kind="restart", target="redpanda", injected_ns=1, verified_start_ns=2, healed_ns=3, verified_end_ns=4
)
LOAD = LoadReport(messages=100, rate_per_s=50, seed=1, start_ns=0, end_ns=1, late_ms={})
JOURNAL: dict[str, Any] = {
    "status": "completed",
    "steady_states": {"before": {"steady_state_met": True}, "after": {"steady_state_met": True}},
    "run": [{"status": "succeeded", "activity": {"name": "act"}}],
    "rollbacks": [],
}
GOOD = Findings(
    tiers_expected=TIERS,
    budget=Budget(recovery_s=10),
    load=LOAD,
    tiers=[msgspec.structs.replace(GOOD_TIER, tier=tier) for tier in TIERS],
    source_loss={},
    recovery=[msgspec.structs.replace(GOOD_RECOVERY, tier=tier) for tier in TIERS],
    faults=[FAULT],
    faults_expected=1,
    errors=[],
)


def findings(**changes: Any) -> Findings:
    values = {name: getattr(GOOD, name) for name in GOOD.__slots__}
    return Findings(**{**values, **changes})


def tiers(**changes: Any) -> list[TierReport]:
    return [msgspec.structs.replace(GOOD_TIER, tier="topic", **changes), GOOD.tiers[1]]


def fault(**changes: Any) -> list[FaultRecord]:
    return [msgspec.structs.replace(FAULT, **changes)]


def recovery(**changes: Any) -> list[RecoveryReport]:
    return [msgspec.structs.replace(GOOD_RECOVERY, **changes), GOOD.recovery[1]]


UNMET = {"steady_state_met": False, "probes": [
    {"activity": {"name": "fresh"}, "status": "succeeded", "tolerance_met": False, "output": 7}]}  # fmt: skip
FAILED_FAULT = {"run": [{"status": "failed", "activity": {"name": "a"}, "exception": [f"ActivityFailed: {FAULT.kind} {FAULT.target}: no"]}]}  # fmt: skip

ONE_THING_WRONG = {
    "a tier wasn't measured": (findings(tiers=GOOD.tiers[:1]), {}, Verdict.ERROR),
    "no tier was measured": (findings(tiers=[]), {}, Verdict.ERROR),
    "nothing was sent": (findings(load=msgspec.structs.replace(LOAD, messages=0)), {}, Verdict.ERROR),
    "there was no load": (findings(load=None), {}, Verdict.ERROR),
    "a reader failed": (findings(errors=["gold: timed out"]), {}, Verdict.ERROR),
    "an action failed": (GOOD, {"run": [{"status": "failed", "activity": {"name": "a"}, "exception": ["x"]}]}, Verdict.ERROR),
    "a rollback failed": (GOOD, {"rollbacks": [{"status": "failed", "activity": {"name": "a"}}]}, Verdict.ERROR),
    "an activity never ended": (GOOD, {"run": [{"activity": {"name": "a"}}]}, Verdict.ERROR),
    "recovery of a tier wasn't measured": (findings(recovery=GOOD.recovery[:1]), {}, Verdict.ERROR),
    "nobody looked at a tier after the fault": (findings(recovery=recovery(outcome="not-measured", recovery_s=None)), {}, Verdict.ERROR),
    "the second of two faults took too long": (findings(faults=[FAULT, FAULT], faults_expected=2, recovery=[*GOOD.recovery, *recovery(fault=1, recovery_s=10.5)]), {}, Verdict.DEVIATED),
    "interrupted": (GOOD, {"status": "interrupted"}, Verdict.INTERRUPTED),
    "aborted": (GOOD, {"status": "aborted"}, Verdict.ABORTED),
    "steady state not met before": (findings(tiers=[], faults=[], recovery=[], faults_expected=0), {"steady_states": {"before": UNMET}}, Verdict.BASELINE_NOT_MET),
    "fault not verified": (findings(faults=fault(verified_start_ns=None)), {}, Verdict.FAULT_NOT_VERIFIED),
    "a fault's action failed, as its fault isn't verified": (findings(faults=fault(verified_start_ns=None, error="no sign")), FAILED_FAULT, Verdict.FAULT_NOT_VERIFIED),
    "a fault's action failed, as its fault isn't healed": (findings(faults=fault(verified_end_ns=None, error="no way")), FAILED_FAULT, Verdict.HEAL_FAILED),
    "a fault was gone before its time": (findings(faults=fault(lasted=False, error="gone")), FAILED_FAULT, Verdict.FAULT_NOT_VERIFIED),
    "a fault's action failed in between": (findings(faults=fault(error="x")), FAILED_FAULT, Verdict.ERROR),
    "an action failed beside a fault that isn't verified": (findings(faults=fault(verified_start_ns=None, error="no sign")), {"run": [{"status": "failed", "activity": {"name": "a"}, "exception": ["other"]}]}, Verdict.ERROR),
    "a safeguard was missed": (findings(aborted="safeguard s: got 1", tiers=[]), {"status": "aborted", "run": [{"activity": {"name": "a"}}]}, Verdict.ABORTED),
    "interrupted in an activity": (GOOD, {"status": "interrupted", "run": [{"activity": {"name": "a"}}]}, Verdict.INTERRUPTED),
    "fault never began": (findings(faults=[]), {}, Verdict.FAULT_NOT_VERIFIED),
    "fault not healed": (findings(faults=fault(verified_end_ns=None)), {}, Verdict.HEAL_FAILED),
    "a tier wasn't drained": (findings(tiers=tiers(drained=False)), {}, Verdict.DRAIN_TIMEOUT),
    "a message was lost": (findings(tiers=tiers(lost=1, delivered=99)), {}, Verdict.DEVIATED),
    "a message came late": (findings(tiers=tiers(late=1, delivered=99)), {}, Verdict.DEVIATED),
    "a message was doubled": (findings(tiers=tiers(duplicated=1)), {}, Verdict.DEVIATED),
    "a message was reordered": (findings(tiers=tiers(reordered=1)), {}, Verdict.DEVIATED),
    "a message was corrupted": (findings(tiers=tiers(corrupted=1)), {}, Verdict.DEVIATED),
    "a message was never sent": (findings(tiers=tiers(unexpected=1)), {}, Verdict.DEVIATED),
    "a message was never acknowledged": (findings(source_loss={"unacknowledged": 1}), {}, Verdict.DEVIATED),
    "a message was missed at the source": (findings(source_loss={"missed_at_source": 1}), {}, Verdict.DEVIATED),
    "recovery took too long": (findings(recovery=recovery(recovery_s=10.5)), {}, Verdict.DEVIATED),
    "recovery may have taken too long": (findings(recovery=recovery(recovery_s=9.99, uncertainty_s=0.02)), {}, Verdict.DEVIATED),
    "a tier never recovered": (findings(recovery=recovery(outcome="not-recovered", recovery_s=None, last_stale_s=10.5)), {}, Verdict.DEVIATED),
    "a tier wasn't watched for as long as it may take": (findings(recovery=recovery(outcome="not-recovered", recovery_s=None, last_stale_s=9.5)), {}, Verdict.ERROR),
    "steady state not met after": (GOOD, {"steady_states": {"before": {"steady_state_met": True}, "after": UNMET}}, Verdict.DEVIATED),
}  # fmt: skip


def test_a_run_with_nothing_against_it_is_passed() -> None:
    assert judge(JOURNAL, GOOD).verdict is Verdict.PASSED


@pytest.mark.parametrize(("found", "journal", "verdict"), ONE_THING_WRONG.values(), ids=ONE_THING_WRONG)
def test_one_thing_wrong_is_never_passed(found: Findings, journal: dict[str, Any], verdict: Verdict) -> None:
    judgement = judge({**JOURNAL, **journal}, found)
    assert judgement.verdict is verdict
    assert judgement.reasons


def test_the_gravest_reason_gives_the_verdict_and_all_are_told() -> None:
    judgement = judge(JOURNAL, findings(errors=["broken"], tiers=tiers(lost=3, drained=False)))
    assert judgement.verdict is Verdict.ERROR
    assert [reason.split(":")[0] for reason in judgement.reasons] == [
        "broken",
        "topic",
        "3 messages lost at topic (budget 0)",
    ]


def test_what_the_budget_allows_is_passed() -> None:
    allowed = Budget(recovery_s=10, missed_at_source=20, duplicated=2)
    found = findings(
        budget=allowed,
        source_loss={"missed_at_source": 20},
        tiers=[msgspec.structs.replace(t, lost=20, delivered=78, duplicated=2) for t in GOOD.tiers],
    )
    assert judge(JOURNAL, found).verdict is Verdict.PASSED


def test_a_loss_beyond_the_gap_at_the_source_is_not_hidden_by_it() -> None:
    found = findings(
        budget=Budget(recovery_s=10, missed_at_source=20),
        source_loss={"missed_at_source": 20},
        tiers=tiers(lost=21, delivered=79),
    )
    assert judge(JOURNAL, found).verdict is Verdict.DEVIATED


def test_reasons_are_told_gravest_first_whoever_found_them() -> None:
    judgement = judge(JOURNAL, findings(faults=fault(verified_start_ns=None), errors=["broken"]))
    assert (judgement.verdict, judgement.reasons[0]) == (Verdict.ERROR, "broken")
    assert judgement.reasons[1] == "restart redpanda wasn't seen to take effect"


def test_a_safeguard_that_ended_the_run_is_the_verdict_and_its_reason() -> None:
    cut_off = {"status": "interrupted", "run": [{"activity": {"name": "act"}}]}
    judgement = judge(
        {**JOURNAL, **cut_off}, findings(aborted="free-disk: 1 byte", faults=[], faults_expected=2)
    )
    assert judgement.verdict is Verdict.ABORTED
    assert judgement.reasons == ("free-disk: 1 byte",)


def test_of_an_interrupted_run_only_what_had_failed_before_counts_against_it() -> None:
    cut_off = {"status": "interrupted", "run": [{"activity": {"name": "act"}}]}
    assert judge({**JOURNAL, **cut_off}, GOOD).verdict is Verdict.INTERRUPTED
    failed = {"activity": {"name": "a"}, "status": "failed", "exception": ["Traceback\n", "boom\n"]}
    judgement = judge({**JOURNAL, "status": "interrupted", "run": [failed]}, GOOD)
    assert (judgement.verdict, judgement.reasons[0]) == (Verdict.ERROR, "a: boom")


def test_a_journal_that_has_only_begun_is_judged() -> None:
    begun = {"status": "completed", "steady_states": None, "run": None, "rollbacks": None}
    assert judge(begun, GOOD).verdict is Verdict.PASSED
    without_before = {"status": "completed", "steady_states": {"before": None, "after": None}}
    judgement = judge(without_before, findings(faults=[]))
    assert judgement.verdict is Verdict.FAULT_NOT_VERIFIED
    assert judgement.reasons == ("1 of 1 faults never began",)


@pytest.mark.parametrize(
    ("probes", "words"),
    [
        ([{"activity": {"name": "fresh"}, "status": "succeeded", "tolerance_met": False, "output": 7}], "fresh: got 7"),
        ([{"activity": {"name": "fresh"}, "status": "failed", "exception": ["Traceback", " boom "]}], "fresh failed: boom"),
        ([{"activity": {"name": "fresh"}, "status": "failed"}], "fresh failed: no reason given"),
        ([], "no probe ran"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("when", "verdict"), [("before", Verdict.BASELINE_NOT_MET), ("after", Verdict.DEVIATED)]
)
def test_the_probe_that_missed_the_steady_state_is_named(
    probes: list[dict[str, Any]], words: str, when: str, verdict: Verdict
) -> None:
    met = {"activity": {"name": "healthy"}, "status": "succeeded", "tolerance_met": True, "output": True}
    state = {"steady_state_met": False, "probes": [met, *probes] if probes else []}
    states = {"before": {"steady_state_met": True}, "after": {"steady_state_met": True}} | {when: state}
    judgement = judge({**JOURNAL, "steady_states": states}, GOOD)
    assert judgement.verdict is verdict
    assert judgement.reasons == (f"steady state {when} the method: {words}",)


def test_an_activity_is_excused_only_by_its_own_fault() -> None:
    other = msgspec.structs.replace(FAULT, target="clickhouse")
    failing = msgspec.structs.replace(FAULT, verified_start_ns=None, error="no")
    found = findings(faults=[failing, other], faults_expected=2)
    assert judge({**JOURNAL, **FAILED_FAULT}, found).reasons == (
        "restart redpanda wasn't seen to take effect: no",
    )
    verified = findings(faults=[msgspec.structs.replace(FAULT, error="no"), other], faults_expected=2)
    assert judge({**JOURNAL, **FAILED_FAULT}, verified).verdict is Verdict.ERROR


def test_without_a_budget_for_recovery_no_time_counts_against_a_run() -> None:
    found = findings(budget=Budget(), recovery=recovery(recovery_s=1e6))
    assert judge(JOURNAL, found).verdict is Verdict.PASSED


def test_of_several_faults_the_one_is_named_that_a_tier_was_slow_after() -> None:
    slow = recovery(recovery_s=12.0, fault=1)
    two = findings(
        recovery=slow, faults=[FAULT, msgspec.structs.replace(FAULT, target="clickhouse")], faults_expected=2
    )
    assert judge(JOURNAL, two).reasons == (
        "topic took 12.00 s ± 0.01 to be fresh again after restart clickhouse (budget 10 s)",
    )
    one = findings(recovery=recovery(recovery_s=12.0))
    assert judge(JOURNAL, one).reasons == ("topic took 12.00 s ± 0.01 to be fresh again (budget 10 s)",)


def test_what_never_was_accounted_for_is_told_once() -> None:
    judgement = judge(JOURNAL, findings(tiers=[], recovery=[]))
    assert judgement.reasons == ("topic: not accounted for", "gold: not accounted for")


def test_losses_at_the_source_are_called_by_their_cause() -> None:
    found = findings(
        source_loss={"missed_at_source": 3, "unacknowledged": 2}, tiers=tiers(lost=5, delivered=95)
    )
    assert judge(JOURNAL, found).reasons == (
        "3 messages missed at the source (budget 0)",
        "2 messages never acknowledged (budget 0)",
    )
