"""What stands on the terminal after a run leaves out nothing that is wrong."""

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from benchmarks.synthetic_evidence import evidence
from chaosp7.run.evidence import Evidence
from chaosp7.run.summary import print_summary, sentence


def changed(tier: str, counts: dict[str, int], **changes: Any) -> Evidence:
    run = evidence()
    tiers = [msgspec.structs.replace(t, **counts) if t.tier == tier else t for t in run.tiers]
    return msgspec.structs.replace(run, tiers=tiers, **changes)


def printed(run: Evidence) -> list[str]:
    console = Console(width=130, record=True, file=io.StringIO())
    print_summary(run, console)
    return console.export_text().splitlines()


def verdicts(run: Evidence) -> dict[str, str]:
    rows = [line.strip("│ ").split("│") for line in printed(run) if line.startswith("│")]
    return {row[0].strip(): row[-1].strip() for row in rows}


def test_of_a_clean_run_only_the_usual_classes_are_told() -> None:
    assert sentence(evidence()).endswith(
        "20,000 messages sent, 20,000 in every tier, 0 lost, 0 duplicated, 0 reordered, 0 corrupted."
    )
    head = printed(evidence())[2]
    assert not any(word in head for word in ("late", "unexpected"))
    assert set(verdicts(evidence()).values()) == {"ok"}


@pytest.mark.parametrize(("kind", "told"), [("unexpected", "5,000 unexpected"), ("late", "5,000 late")])
def test_what_was_late_or_never_sent_is_told(kind: str, told: str) -> None:
    run = changed("raw", {kind: 5_000, "delivered": 15_000 if kind == "late" else 20_000})
    assert sentence(run).endswith(f"0 corrupted, {told}.")
    lines = printed(run)
    assert kind in lines[2]
    assert any("raw" in line and "5,000" in line for line in lines)


@pytest.mark.parametrize("cause", ["missed_at_source", "unacknowledged"])
def test_a_tier_that_lacks_what_the_source_lost_is_not_ok_and_no_other_is_blamed(cause: str) -> None:
    lost = {"lost": 5, "lost_here": 5, "delivered": 19_995}
    run = changed("topic", lost, source_loss={cause: 5}, verdict="deviated", reasons=["5 messages"])
    assert {tier: said for tier, said in verdicts(run).items() if said != "ok"} == {"topic": "not ok"}
    allowed = msgspec.structs.replace(run.budget, **{cause: 5})
    assert verdicts(msgspec.structs.replace(run, budget=allowed, reasons=[]))["topic"] == "ok"
