"""From files to the runs of a suite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from chaosp7.suite.expect import durations_so_far, expected_s
from chaosp7.suite.record import SuiteRun

__all__ = ["records"]


def records(files: Sequence[str], repeat: int, reports: Path) -> list[SuiteRun]:
    """Return the runs in order: all experiments, then all of them again.

    Args:
        files: the experiments.
        repeat: how often.
        reports: where earlier runs tell how long they took.
    """
    so_far = durations_so_far(reports)
    firsts = [SuiteRun(experiment=_title(Path(file)), file=file, repetition=1) for file in files]
    for record in firsts:
        record.expected_s = expected_s(record, so_far)
    return [
        SuiteRun(experiment=r.experiment, file=r.file, repetition=n, expected_s=r.expected_s)
        for n in range(1, repeat + 1)
        for r in firsts
    ]


def _title(path: Path) -> str:
    """Return an experiment's title, or the file's name for one that has none: its run says why."""
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text) if path.suffix in {".yaml", ".yml"} else json.loads(text)
        return str(content["title"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return path.stem
