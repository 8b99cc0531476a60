"""All runs of a report in one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chaosp7.report.records import RunRecord
from chaosp7.report.sentences import suite_sentence, suite_verdict

__all__ = ["SCHEMA_VERSION", "plain", "plain_json"]

SCHEMA_VERSION = 1


def plain(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Return what the page embeds: verdicts and evidence as they are."""
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": suite_verdict(runs),
        "sentence": suite_sentence(runs),
        "runs": [
            {
                "run_id": run.run_id,
                "experiment": run.experiment,
                "verdict": run.verdict,
                "reasons": list(run.reasons),
                "missing": list(run.missing),
                "evidence": run.evidence,
            }
            for run in runs
        ],
    }


def plain_json(runs: Sequence[RunRecord]) -> str:
    """Return the document, indented."""
    return msgspec.json.format(msgspec.json.encode(plain(runs)), indent=2).decode() + "\n"
