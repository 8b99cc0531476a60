"""By `chaos run`: an injection that does nothing is ``fault-not-verified``, whatever else is well."""

from pathlib import Path
from typing import Any

import pytest

from chaosp7.safety.heal import ledger_of
from tests.lite import EXCHANGE_LINK, HANDLER, Lite
from tests.short import action, evidence_of, run_short, write_experiment
from tests.waiting import until

pytestmark = pytest.mark.soak

SLOW = action("latency", "slow_link", link=EXCHANGE_LINK, latency_ms=100, duration_s=1)

SABOTAGED = {
    "nothing-injected": (SLOW, "reads back as"),
    "wrong-attribute": (SLOW, "asked for"),
    "still-listens": (action("refuse", "refuse_link", link=EXCHANGE_LINK, duration_s=1), "still accepts"),
    "bypass": (SLOW, "past the proxy"),
    "dead-already": (action("kill", "kill_service", service=HANDLER, duration_s=1), "it had no process"),
    "dead-already, in the background": (
        action("kill", "kill_service", background=True, service=HANDLER, duration_s=1),
        "it had no process",
    ),
    "not-stopped": (action("pause", "pause_service", service=HANDLER, duration_s=1), "isn't stopped"),
}


@pytest.mark.parametrize(("kind", "method", "sign"), [(k, *v) for k, v in SABOTAGED.items()], ids=SABOTAGED)
def test_an_injection_that_does_nothing_is_not_verified(
    embedded: Lite, tmp_path: Path, kind: str, method: dict[str, Any], sign: str
) -> None:
    experiment = write_experiment(tmp_path, [method], sabotage=kind.partition(",")[0])
    run = run_short(experiment, embedded.state)
    assert (run.verdict, run.code) == ("fault-not-verified", 1), run.output
    assert sign in run.journal["x-chaosp7"]["reasons"][0]
    evidence = evidence_of(run, tmp_path)
    (fault,) = evidence.faults
    assert (fault.verified_start_ns, sign in (fault.error or "")) == (None, True)
    assert evidence.recovery == []
    assert ledger_of(embedded.driver).open_faults() == []
    assert all(state.clean for state in embedded.driver.links.states().values())
    until(lambda: all(status.healthy for status in embedded.driver.status().values()))


@pytest.mark.parametrize("method", [SLOW, SABOTAGED["dead-already"][0]], ids=["link", "service"])
def test_the_same_injection_without_sabotage_is_verified(
    embedded: Lite, tmp_path: Path, method: dict[str, Any]
) -> None:
    budget = {"missed_at_source": 1000, "unacknowledged": 1000}
    run = run_short(write_experiment(tmp_path, [method], budget=budget), embedded.state)
    assert (run.verdict, run.code) == ("passed", 0), run.output
    (fault,) = evidence_of(run, tmp_path).faults
    assert None not in {fault.verified_start_ns, fault.verified_end_ns}
