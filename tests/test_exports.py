"""A real run tells Prometheus, OpenTelemetry and Grafana what its evidence says, and waits for none of them."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from chaosp7.cli import commands
from tests.exports.receiver import HANG, Request, grafana, receiver
from tests.lite import HANDLER, Lite
from tests.short import action, evidence_of, run_short, write_experiment

TOKEN = "glsa_S3cret-0f-a-service-account"  # noqa: S105
KILL = action("kill", "kill_service", service=HANDLER, duration_s=2)
BUDGET = {"missed_at_source": 1000, "unacknowledged": 1000}

#: A busy machine's scheduling.
SLACK_S = 10


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the file for Prometheus that the run's environment names."""
    monkeypatch.setenv("CHAOSP7_GRAFANA_TOKEN", TOKEN)
    monkeypatch.setenv("CHAOSP7_PROMETHEUS", "out/chaosp7.prom")
    return tmp_path / "out" / "chaosp7.prom"


def spans_of(request: Request) -> dict[bytes, Span]:
    (resource,) = ExportTraceServiceRequest.FromString(request.body).resource_spans
    return {span.span_id: span for scope in resource.scope_spans for span in scope.spans}


def test_everything_that_is_told_is_what_the_evidence_says(
    embedded: Lite, tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = write_experiment(tmp_path, [KILL], budget=BUDGET)
    with receiver() as otlp, receiver(grafana()) as annotations:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
        monkeypatch.setenv("CHAOSP7_GRAFANA_URL", annotations.url)
        run = run_short(experiment, embedded.state)
        assert (run.verdict, run.code) == ("passed", 0), run.output
        evidence = evidence_of(run, tmp_path)
        folder = tmp_path / "reports" / evidence.run_id
        again = CliRunner().invoke(commands, ["report", str(folder), "--otlp", otlp.url])
        assert again.exit_code == 0, again.output

    (fault,) = evidence.faults
    assert fault.injected_ns is not None
    assert fault.verified_end_ns is not None
    zero_ns = evidence.clock.wall_ns - evidence.clock.monotonic_ns

    posted, patched = annotations.requests
    assert [posted.method, patched.method] == ["POST", "PATCH"]
    assert abs(int(str(posted.json["time"])) - (zero_ns + fault.injected_ns) / 1e6) < 50
    assert abs(int(str(patched.json["timeEnd"])) - (zero_ns + fault.verified_end_ns) / 1e6) < 50
    # While it happened, not when the run was over.
    assert posted.at_s - (zero_ns + fault.injected_ns) / 1e9 < SLACK_S
    assert posted.at_s < patched.at_s < (zero_ns + evidence.phases[-1].end_ns) / 1e9 + SLACK_S

    sent, resent = map(spans_of, otlp.requests)
    assert set(sent) == set(resent)
    names = {span.name: span for span in sent.values()}
    span = names[f"fault kill {HANDLER}"]
    assert span.start_time_unix_nano == zero_ns + fault.injected_ns
    assert span.end_time_unix_nano == zero_ns + fault.verified_end_ns
    assert {"run short", "phase start", "phase load", "phase drain", "in force"} <= set(names)

    families = text_string_to_metric_families(asked.read_text())
    found = [sample for family in families for sample in family.samples]
    assert [s.labels["verdict"] for s in found if s.name == "chaosp7_run_verdict" and s.value] == ["passed"]
    assert evidence.load is not None
    (count,) = [s.value for s in found if s.name == "chaosp7_run_sent_messages"]
    assert count == evidence.load.messages
    lost = {
        s.labels["tier"]: s.value for s in found if s.labels.get("class") == "lost" and "tier" in s.labels
    }
    assert lost == {tier.tier: tier.lost for tier in evidence.tiers}

    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) > 5
    assert not [path for path in left if TOKEN.encode() in path.read_bytes()]


def test_receivers_that_hang_change_neither_verdict_nor_figures_nor_the_runs_end(
    embedded: Lite, tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver(lambda _: HANG) as dead:
        monkeypatch.setenv("CHAOSP7_GRAFANA_URL", dead.url)
        exports = {"otlp_endpoint": dead.url, "limit_s": 3}
        run = run_short(write_experiment(tmp_path, [KILL], budget=BUDGET, exports=exports), embedded.state)
        ended_s = time.time()
    assert (run.verdict, run.code) == ("passed", 0), run.output
    assert {request.path for request in dead.requests} == {"/api/annotations", "/v1/traces"}
    trace = next(request for request in dead.requests if request.path == "/v1/traces")
    assert ended_s - trace.at_s < 3 + SLACK_S
    assert "Exports:" in run.flat
    assert "No annotation: Grafana at" in run.flat
    (fault,) = evidence_of(run, tmp_path).faults
    assert fault.healed_ns is not None
    assert fault.verified_start_ns is not None
    assert (fault.healed_ns - fault.verified_start_ns) / 1e9 < 2 + SLACK_S
    assert asked.exists()


def test_an_experiment_that_cannot_begin_leaves_no_older_verdict_standing(
    tmp_path: Path, asked: Path
) -> None:
    asked.parent.mkdir()
    asked.write_text('chaosp7_run_verdict{verdict="passed"} 1\n')
    run = run_short(write_experiment(tmp_path, [KILL], exports={"promethius": "x"}), tmp_path / "state")
    assert "exports in the evidence control's arguments" in run.flat
    assert 'chaosp7_run_verdict{experiment="short",platform="",verdict="error"} 1' in asked.read_text()
    assert 'verdict="passed"} 0' in asked.read_text()
