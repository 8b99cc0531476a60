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


def of_second(reports: list[RecoveryReport]) -> list[RecoveryReport]:
    """Return the same of the second fault."""
    return [msgspec.structs.replace(report, fault=1) for report in reports]


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
    "the second of two faults took too long": (findings(faults=[FAULT, FAULT], faults_expected=2, recovery=[*GOOD.recovery, *of_second(recovery(recovery_s=10.5))]), {}, Verdict.DEVIATED),
    "recovery from the second of two faults wasn't measured": (findings(faults=[FAULT, FAULT], faults_expected=2), {}, Verdict.ERROR),
    "recovery from the second of two faults was measured at one tier only": (findings(faults=[FAULT, FAULT], faults_expected=2, recovery=[*GOOD.recovery, *of_second(GOOD.recovery)[:1]]), {}, Verdict.ERROR),
    "not all that was sent is accounted for": (findings(load=msgspec.structs.replace(LOAD, messages=101)), {}, Verdict.ERROR),
    "one tier's account is of fewer messages": (findings(tiers=tiers(sent=99)), {}, Verdict.ERROR),
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
    "a test objects": (findings(objections=["the test failed: x"]), {}, Verdict.DEVIATED),
    "a message was never acknowledged": (findings(source_loss={"unacknowledged": 1}), {}, Verdict.DEVIATED),
    "a message was missed at the source": (findings(source_loss={"missed_at_source": 1}), {}, Verdict.DEVIATED),
    "recovery took too long": (findings(recovery=recovery(recovery_s=10.5)), {}, Verdict.DEVIATED),
    "recovery may have taken too long": (findings(recovery=recovery(recovery_s=9.99, uncertainty_s=0.02)), {}, Verdict.ERROR),
    "recovery may have been in time": (findings(recovery=recovery(recovery_s=10.01, uncertainty_s=0.02)), {}, Verdict.ERROR),
    "recovery surely took too long": (findings(recovery=recovery(recovery_s=10.03, uncertainty_s=0.02)), {}, Verdict.DEVIATED),
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


@pytest.mark.parametrize("status", ["failed", "", None])
def test_an_experiment_that_did_not_complete_is_never_passed(status: str | None) -> None:
    assert judge({**JOURNAL, "status": status}, GOOD).verdict is Verdict.ERROR
    assert judge({}, GOOD).verdict is Verdict.ERROR


def test_a_steady_state_that_is_missed_during_the_method_deviates() -> None:
    states = {**JOURNAL["steady_states"], "during": [{"steady_state_met": True}, {"steady_state_met": False}]}
    judgement = judge({**JOURNAL, "steady_states": states}, GOOD)
    assert judgement.verdict is Verdict.DEVIATED
    assert judgement.reasons == ("steady state during the method: no probe ran",)


def test_messages_that_came_late_are_told_as_late() -> None:
    judgement = judge(JOURNAL, findings(tiers=tiers(lost=1, late=2)))
    assert judgement.reasons[0] == "3 messages lost or late (2 late) at topic (budget 0)"


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


def judged(found: Findings, **journal: Any) -> tuple[Verdict, tuple[str, ...]]:
    judgement = judge({**JOURNAL, **journal}, found)
    return judgement.verdict, judgement.reasons


def steady(when: str, probes: list[dict[str, Any]] | None) -> dict[str, Any]:
    unmet = {"steady_state_met": False, "probes": probes}
    return {"steady_states": {**JOURNAL["steady_states"], when: unmet}}


def test_the_verdicts_are_called_what_is_documented_gravest_first() -> None:
    assert [str(v) for v in Verdict] == [
        "error", "interrupted", "aborted", "baseline-not-met", "fault-not-verified", "heal-failed",
        "drain-timeout", "deviated", "passed",
    ]  # fmt: skip


def test_the_gravest_reason_comes_first_even_if_it_was_found_last() -> None:
    met = {"activity": {"name": "fresh"}, "status": "succeeded", "tolerance_met": False, "output": 7}
    verdict, reasons = judged(findings(errors=["gold: timed out"]), **steady("after", [met]))
    assert verdict is Verdict.ERROR
    assert reasons == ("gold: timed out", "steady state after the method: fresh: got 7")


@pytest.mark.parametrize(
    ("when", "verdict"), [("before", Verdict.BASELINE_NOT_MET), ("after", Verdict.DEVIATED)]
)
def test_a_steady_state_that_raised_or_had_no_probe_is_not_met(when: str, verdict: Verdict) -> None:
    failed = {"activity": {"name": "fresh"}, "status": "failed", "exception": ["Traceback", "E: refused\n"]}
    assert judged(GOOD, **steady(when, [failed])) == (
        verdict, (f"steady state {when} the method: fresh failed: E: refused",)
    )  # fmt: skip
    silent = {"activity": {"name": "fresh"}, "status": "failed"}
    assert judged(GOOD, **steady(when, [silent]))[1] == (
        f"steady state {when} the method: fresh failed: no reason given",
    )
    for none in (None, []):
        assert judged(GOOD, **steady(when, none)) == (
            verdict, (f"steady state {when} the method: no probe ran",)
        )  # fmt: skip


def test_only_the_probes_that_missed_are_named() -> None:
    good = {"activity": {"name": "whole"}, "status": "succeeded", "tolerance_met": True}
    bad = {"activity": {"name": "fresh"}, "status": "succeeded", "tolerance_met": False, "output": 7}
    assert judged(GOOD, **steady("after", [good, bad]))[1] == ("steady state after the method: fresh: got 7",)


def test_a_journal_without_steady_states_or_steps_is_judged_by_the_rest() -> None:
    assert judge({"status": "completed"}, GOOD).verdict is Verdict.PASSED
    assert judge({"status": "completed", "steady_states": {"before": None}}, GOOD).verdict is Verdict.PASSED


def test_a_tier_that_may_have_been_stale_unseen_for_longer_than_its_budget_is_an_error() -> None:
    unseen = recovery(outcome="never-stale", recovery_s=None, uncertainty_s=10.1, unproven_s=9.0)
    reason = "topic: may have been stale unseen until 10.1 s: it was looked at too rarely"
    assert judged(findings(recovery=unseen)) == (Verdict.ERROR, (reason,))
    seen = recovery(outcome="never-stale", recovery_s=None, uncertainty_s=10.0, unproven_s=9.0)
    assert judged(findings(recovery=seen)) == (Verdict.PASSED, ())
    unmeasured = recovery(outcome="not-measured", recovery_s=None)
    assert judged(findings(recovery=unmeasured))[1] == ("topic: recovery wasn't measured",)


def test_what_the_run_itself_could_not_do_is_told_before_what_followed_from_it() -> None:
    carried = "chaoslib.exceptions.ActivityFailed: " * 2 + "no broker\n"
    steps = [{"status": "failed", "activity": {"name": "start"}, "exception": ["Traceback", carried]}]
    verdict, reasons = judged(findings(errors=["Docker doesn't answer"]), rollbacks=steps)
    assert (verdict, reasons) == (Verdict.ERROR, ("Docker doesn't answer", "start: no broker"))
    probe = {"activity": {"name": "fresh"}, "status": "failed", "exception": [carried]}
    _, reasons = judged(GOOD, **steady("after", [probe]))
    assert reasons == ("steady state after the method: fresh failed: no broker",)


def test_the_last_line_of_an_exception_is_the_reason_and_a_step_without_an_end_says_so() -> None:
    steps = [
        {"status": "failed", "activity": {"name": "a"}, "exception": ["Traceback", "E: no\n"]},
        {"activity": {"name": "b"}},
    ]
    assert judged(GOOD, run=steps) == (Verdict.ERROR, ("a: E: no", "b: it never ended"))


def test_a_step_that_failed_before_the_run_was_interrupted_is_still_an_error() -> None:
    steps = [{"status": "failed", "activity": {"name": "a"}, "exception": ["E: no"]}]
    assert judged(GOOD, status="interrupted", run=steps)[0] is Verdict.ERROR
    assert judged(GOOD, status="interrupted", run=[{"activity": {"name": "a"}}])[0] is Verdict.INTERRUPTED


def test_a_step_is_forgiven_only_for_its_own_fault_that_says_why_it_failed() -> None:
    what = f"{FAULT.kind} {FAULT.target}"
    steps = [{"status": "failed", "activity": {"name": "a"}, "exception": [f"{what}: no"]}]
    failed = fault(verified_start_ns=None, error="no")
    assert judged(findings(faults=failed), run=steps)[0] is Verdict.FAULT_NOT_VERIFIED
    assert (
        judged(
            findings(faults=[*failed, FAULT], faults_expected=2, recovery=of_second(GOOD.recovery)), run=steps
        )[0]
        is Verdict.FAULT_NOT_VERIFIED
    )
    assert judged(findings(faults=fault(verified_start_ns=None)), run=steps)[0] is Verdict.ERROR


def test_a_safeguards_own_words_are_the_reason_of_an_abort() -> None:
    assert judged(findings(aborted="disk: 96 %"), status="aborted") == (Verdict.ABORTED, ("disk: 96 %",))


def test_faults_that_never_began_are_counted_unless_the_run_ended_early() -> None:
    found = findings(faults=[FAULT], faults_expected=3)
    assert judged(found) == (Verdict.FAULT_NOT_VERIFIED, ("2 of 3 faults never began",))
    assert judged(found, status="interrupted") == (Verdict.INTERRUPTED, ("Chaos Toolkit says interrupted",))


def test_a_faults_own_error_is_told_and_its_absence_leaves_no_trace() -> None:
    what = f"{FAULT.kind} {FAULT.target} wasn't seen to be undone"
    assert judged(findings(faults=fault(verified_end_ns=None)))[1] == (what,)
    assert judged(findings(faults=fault(verified_end_ns=None, error="no")))[1] == (f"{what}: no",)


def test_losses_at_the_source_and_no_messages_are_told_in_words() -> None:
    lost = findings(source_loss={"missed_at_source": 2, "unacknowledged": 1}, tiers=tiers(lost=3))
    assert judged(lost)[1] == (
        "2 messages missed at the source (budget 0)",
        "1 messages never acknowledged (budget 0)",
    )
    assert judged(findings(load=None))[1] == ("no message was sent: nothing was tested",)


def test_a_recovery_is_within_its_budget_up_to_the_very_end_of_its_uncertainty() -> None:
    assert judged(findings(recovery=recovery(recovery_s=9.5, uncertainty_s=0.5)))[0] is Verdict.PASSED
    assert judged(findings(recovery=recovery(recovery_s=9.5, uncertainty_s=0.625)))[0] is Verdict.ERROR
    assert judged(findings(recovery=recovery(recovery_s=10.5, uncertainty_s=0.5)))[0] is Verdict.ERROR
    assert judged(findings(recovery=recovery(recovery_s=10.625, uncertainty_s=0.5)))[0] is Verdict.DEVIATED


def test_it_is_told_where_nobody_knows_whether_a_tier_was_fresh_again_in_time() -> None:
    (reason,) = judged(findings(recovery=recovery(recovery_s=12.0, uncertainty_s=4.0)))[1]
    told = "topic: took 12.00 s ± 4.00 to be fresh again, nobody can tell whether within 10 s"
    assert reason == f"{told}: it was looked at too rarely"


@pytest.mark.parametrize(
    ("last_stale_s", "verdict"),
    [(None, Verdict.ERROR), (10.0, Verdict.ERROR), (10.5, Verdict.DEVIATED)],
)
def test_a_tier_last_seen_stale_within_the_budget_was_not_watched_for_long_enough(
    last_stale_s: float | None, verdict: Verdict
) -> None:
    late = recovery(outcome="not-recovered", recovery_s=None, last_stale_s=last_stale_s)
    assert judged(findings(recovery=late))[0] is verdict
    tight = findings(recovery=late, budget=Budget(recovery_s=0.5))
    assert judged(tight)[0] is (Verdict.ERROR if last_stale_s is None else Verdict.DEVIATED)


def test_a_fault_is_named_with_a_recovery_only_where_there_are_several() -> None:
    slow = recovery(recovery_s=12.0)
    (one,) = judged(findings(recovery=slow))[1]
    assert one == "topic took 12.00 s ± 0.01 to be fresh again (budget 10 s)"
    both = [*slow, *of_second(GOOD.recovery)]
    (two,) = judged(findings(recovery=both, faults=[FAULT, FAULT], faults_expected=2))[1]
    assert (
        two == f"topic took 12.00 s ± 0.01 to be fresh again after {FAULT.kind} {FAULT.target} (budget 10 s)"
    )


def test_without_a_budget_of_recovery_nobody_asks_for_its_measurement() -> None:
    assert judged(findings(budget=Budget(recovery_s=None), recovery=[]))[0] is Verdict.PASSED


def test_an_abort_stays_one_though_neither_account_nor_recovery_was_made() -> None:
    assert (
        judged(findings(tiers=[], recovery=[], aborted="disk: 96 %"), status="aborted")[0] is Verdict.ABORTED
    )


def test_what_wasnt_measured_after_a_fault_is_told_with_its_name_where_there_are_several() -> None:
    found = findings(recovery=GOOD.recovery[:1])
    assert judged(found)[1] == (f"{TIERS[1]}: recovery wasn't measured",)
    found = findings(faults=[FAULT, FAULT], faults_expected=2)
    assert judged(found)[1] == tuple(
        f"{tier}: recovery wasn't measured after {FAULT.kind} {FAULT.target}" for tier in TIERS
    )


def test_a_fault_that_wasnt_seen_to_take_effect_needs_no_recovery() -> None:
    found = findings(faults=fault(verified_start_ns=None), recovery=[])
    assert judged(found)[0] is Verdict.FAULT_NOT_VERIFIED


def test_how_many_messages_an_account_leaves_out_is_told() -> None:
    assert judged(findings(tiers=tiers(sent=99)))[1] == ("topic: 99 of 100 messages are accounted for",)
    assert judged(findings(load=None))[1] == ("no message was sent: nothing was tested",)


def test_a_load_without_a_message_is_an_error_however_well_nothing_was_delivered() -> None:
    nothing = findings(
        load=msgspec.structs.replace(LOAD, messages=0),
        tiers=[msgspec.structs.replace(tier, sent=0, delivered=0) for tier in GOOD.tiers],
    )
    assert judged(nothing) == (Verdict.ERROR, ("no message was sent: nothing was tested",))
    one = findings(
        load=msgspec.structs.replace(LOAD, messages=1),
        tiers=[msgspec.structs.replace(tier, sent=1, delivered=1) for tier in GOOD.tiers],
    )
    assert judged(one)[0] is Verdict.PASSED


@pytest.mark.parametrize(("after_the_load_ns", "verdict"), [(0, Verdict.ERROR), (1, Verdict.PASSED)])
def test_of_a_fault_that_a_rollback_injects_no_recovery_was_to_be_measured(
    after_the_load_ns: int, verdict: Verdict
) -> None:
    injected_ns = LOAD.end_ns + after_the_load_ns
    (afterwards,) = fault(injected_ns=injected_ns, verified_start_ns=injected_ns + 1)
    assert judged(findings(faults=[FAULT, afterwards]))[0] is verdict


def test_behind_a_fault_that_wasnt_seen_the_recovery_from_the_next_one_is_missed() -> None:
    found = findings(faults=[*fault(verified_start_ns=None), FAULT], faults_expected=2, recovery=[])
    verdict, reasons = judged(found)
    assert verdict is Verdict.ERROR
    assert f"topic: recovery wasn't measured after {FAULT.kind} {FAULT.target}" in reasons
