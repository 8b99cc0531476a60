"""The page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from chaosp7.report.records import RunRecord
from chaosp7.report.sentences import suite_sentence

__all__ = ["html"]


def html(runs: Sequence[RunRecord]) -> str:
    """Return the page of some runs."""
    return f"<!doctype html><meta charset=utf-8><title>chaosp7</title><p>{escape(suite_sentence(runs))}</p>\n"
