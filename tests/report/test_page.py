"""The page is written when a run concludes; whether that succeeds is nothing to the verdict."""

import logging
from pathlib import Path

import pytest

from benchmarks.synthetic_evidence import evidence
from chaosp7 import report
from chaosp7.report.page import write_page
from tests.report.test_model import save


def test_the_page_lies_beside_the_evidence_and_its_path_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chaostoolkit")
    write_page(save(tmp_path / "r", evidence()))
    assert (tmp_path / "r" / "report.html").read_text().startswith("<!doctype html>")
    assert f"Report: {tmp_path / 'r' / 'report.html'}" in caplog.text


def test_a_page_that_cannot_be_rendered_is_only_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no template")

    monkeypatch.setattr(report, "write", fail)
    write_page(tmp_path)
    assert "The report can't be written: no template" in caplog.text
