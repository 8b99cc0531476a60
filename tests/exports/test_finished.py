"""A finished run is exported where somebody asks for it, and isn't held up by whoever doesn't answer."""

import builtins
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic_evidence import evidence
from chaosp7.errors import ExportError
from chaosp7.exports import finished
from chaosp7.exports.finished import Exporting, record_of, send_trace
from chaosp7.exports.settings import Exports
from tests.exports.receiver import HANG, receiver

SLACK_S = 10


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "CHAOSP7_")) or name.lower() == "http_proxy":
            monkeypatch.delenv(name)
    caplog.set_level(logging.INFO, "chaostoolkit")
    return caplog


def export(exports: Exports, lost: int = 0) -> None:
    run = evidence(lost=lost)
    Exporting(record_of(run.experiment, run), exports).wait()


def test_without_anybody_who_asks_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = threading.active_count()
    export(Exports())
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    with receiver() as there:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
        monkeypatch.setenv("CHAOSP7_PROMETHEUS", str(tmp_path / "x.prom"))
        export(Exports(limit_s=60))
    assert [request.path for request in there.requests] == ["/v1/traces"]
    assert "chaosp7_run_verdict" in (tmp_path / "x.prom").read_text()
    assert said.text == ""


def test_a_receiver_that_hangs_holds_nobody_up_beyond_the_limit(
    tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    begun = time.monotonic()
    with receiver(lambda _: HANG) as there:
        export(Exports(otlp_endpoint=there.url, prometheus=str(tmp_path / "x.prom"), limit_s=2))
        took_s = time.monotonic() - begun
    assert took_s < 2 + SLACK_S
    assert len(said.records) == 1
    assert said.records[0].levelno == logging.WARNING
    assert "the trace" in said.text
    assert (tmp_path / "x.prom").exists()


def test_what_heeds_no_limit_at_all_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    for_ever = threading.Event()
    monkeypatch.setattr(finished, "send_trace", lambda *_: for_ever.wait(60))
    begun = time.monotonic()
    export(Exports(otlp_endpoint="http://x", limit_s=0.5))
    assert time.monotonic() - begun < SLACK_S
    for_ever.set()
    assert "not done after 0.5 s" in said.text


def test_one_that_fails_keeps_no_other_from_its_turn(tmp_path: Path, said: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with receiver() as there:
        export(Exports(otlp_endpoint=there.url, prometheus=str(tmp_path / "file" / "x"), limit_s=60))
    assert len(there.requests) == 1
    assert "the figures for Prometheus" in said.text


def test_without_the_extra_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "chaosp7.exports.otel":
            raise ImportError("No module named 'opentelemetry'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExportError, match=r"chaosp7\[otel\]"):
        send_trace("http://127.0.0.1:9/v1/traces", record_of("x", evidence()), 1)
    export(Exports(otlp_endpoint="http://127.0.0.1:9"))
    assert "pip install 'chaosp7[otel]'" in said.text
    assert "Traceback" not in said.text


def test_a_run_without_evidence_says_error_and_has_no_trace(tmp_path: Path) -> None:
    with receiver() as there:
        exports = Exports(otlp_endpoint=there.url, prometheus=str(tmp_path / "x.prom"), limit_s=60)
        Exporting(record_of("x", None), exports).wait()
    assert there.requests == []
    assert 'verdict="error"} 1' in (tmp_path / "x.prom").read_text()


def test_ctrl_c_ends_the_waiting_and_nothing_else(said: pytest.LogCaptureFixture) -> None:
    # Whoever runs the tests in the background of a shell has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    begun = time.monotonic()
    with receiver(lambda _: HANG) as there:
        run = record_of("x", evidence())
        exporting = Exporting(run, Exports(otlp_endpoint=there.url, limit_s=60))
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        exporting.wait()
    signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begun < 30
    assert "interrupted" in said.text
