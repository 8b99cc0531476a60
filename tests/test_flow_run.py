"""The experiment on the flow at Prefect, run once, where Prefect is installed."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaosp7.embedded import provision
from tests.chaos import REPOSITORY, chaos_run
from tests.edited import any_recovery, edited
from tests.prefect_server import prefect_env
from tests.short import evidence_of

pytestmark = [pytest.mark.alone, pytest.mark.soak]

EXPERIMENT = REPOSITORY / "experiments" / "flow-failed.json"


def proving_no_freshness(content: dict[str, Any]) -> None:
    """Leave out what only a machine can prove on which nothing else runs.

    With Prefect's server on two cores looks at ClickHouse take so long at times that nobody knows whether the
    hot path stayed fresh; the same experiment without Prefect is a benchmark, which tells how fast.
    """
    probes = content["steady-state-hypothesis"]["probes"]
    (notices,) = (probe for probe in probes if probe["name"] == "the-hot-path-notices-nothing")
    probes.remove(notices)


def test_the_flow_fails_at_prefect_while_the_object_store_is_gone_and_nothing_is_lost(
    tmp_path: Path, parts: provision.Parts
) -> None:
    del parts  # only have to be there
    experiment = edited(EXPERIMENT, tmp_path, any_recovery, proving_no_freshness)
    run = chaos_run(experiment, tmp_path, CHAOSP7_DURATION_S="45", CHAOSP7_RATE_PER_S="200", **prefect_env())
    evidence = evidence_of(run, tmp_path)
    assert evidence.load is not None, run.output
    assert [tier.tier for tier in evidence.tiers][-1] == "cold"
    for tier in evidence.tiers:
        classes = (tier.lost, tier.late, tier.corrupted, tier.duplicated, tier.unexpected)
        assert (tier.delivered, classes) == (evidence.load.messages, (0,) * 5), (tier, run.output)
    after = json.loads((tmp_path / "journal.json").read_text())["steady_states"]["after"]["probes"]
    told = {probe["activity"]["name"]: probe["output"] for probe in after}
    assert told["a-run-of-the-flow-fails-at-prefect"] is True, run.output
    assert told["a-run-of-the-flow-completes-within-15-s"] is True, run.output
    assert told["no-run-of-the-flow-crashes"] == 0, run.output
    assert run.verdict == "passed", run.output
