"""The page is written when a run concludes; whether that succeeds is nothing to the verdict."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks.synthetic_evidence import evidence
from chaosp7.controls import evidence as control
from tests.report.test_model import save


def test_the_page_lies_beside_the_evidence_and_its_path_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chaostoolkit")
    control._write_page(cast("Any", SimpleNamespace(folder=save(tmp_path / "r", evidence()))))
    assert (tmp_path / "r" / "report.html").read_text().startswith("<!doctype html>")
    assert f"Report: {tmp_path / 'r' / 'report.html'}" in caplog.text


def test_a_page_that_cannot_be_rendered_is_only_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no template")

    monkeypatch.setattr(control, "write", fail)
    control._write_page(cast("Any", SimpleNamespace(folder=tmp_path)))
    assert "The report can't be written: no template" in caplog.text
