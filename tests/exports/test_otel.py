"""What goes over the wire is a trace that OpenTelemetry's own messages decode, sent within its time."""

import time
from collections import Counter

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from benchmarks.synthetic_evidence import evidence
from chaosp7.errors import ExportError
from chaosp7.exports.finished import record_of, send_trace
from chaosp7.run import evidence as ev
from tests.exports.receiver import HANG, Answer, Receiver, Request, receiver
from tests.waiting import ANSWER_S

#: A busy machine's scheduling, beside the limits under test.
SLACK_S = 10


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "HTTP_PROXY",
        "http_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


def send(to: Receiver, run: ev.Evidence | None = None, timeout_s: float = ANSWER_S) -> int:
    run = run or evidence()
    return send_trace(f"{to.url}/v1/traces", record_of(run.experiment, run), timeout_s)


def decoded(request: Request) -> ExportTraceServiceRequest:
    assert (request.method, request.path) == ("POST", "/v1/traces")
    assert request.headers["content-type"] == "application/x-protobuf"
    return ExportTraceServiceRequest.FromString(request.body)


def spans_of(request: Request) -> dict[str, Span]:
    (resource,) = decoded(request).resource_spans
    (scope,) = resource.scope_spans
    assert scope.scope.name == "chaosp7"
    assert max(Counter(span.name for span in scope.spans).values()) == 1
    return {span.name: span for span in scope.spans}


def attributes(span: Span) -> dict[str, object]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in span.attributes}


def test_a_trace_arrives_with_its_tree_times_attributes_and_status() -> None:
    with receiver() as there:
        sent = send(there, evidence(lost=72))
    (request,) = there.requests
    spans = spans_of(request)
    assert sent == len(spans) == 12
    root = spans["run redpanda-restart"]
    fault = spans["fault restart redpanda"]
    assert root.parent_span_id == b""
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert len({span.span_id for span in spans.values()}) == len(spans)
    for name in ("phase load", "phase drain", "fault restart redpanda", "outage gold"):
        assert spans[name].parent_span_id == root.span_id
    for name in ("inject and verify", "in force", "heal and verify"):
        assert spans[name].parent_span_id == fault.span_id
    clock = evidence().clock
    assert fault.start_time_unix_nano == clock.wall_ns + 12_000_000_000
    assert fault.end_time_unix_nano == clock.wall_ns + 14_000_000_000
    assert [event.name for event in fault.events] == ["injected", "verified", "undo ordered", "undone"]
    assert fault.events[1].time_unix_nano == clock.wall_ns + 12_040_000_000
    assert {"injected", "verified", "detected", "recovered", "drained"} <= {e.name for e in root.events}
    assert root.status.code == Status.STATUS_CODE_ERROR
    assert "72 messages lost at silver" in root.status.message
    assert fault.status.code == Status.STATUS_CODE_OK
    assert spans["phase load"].status.code == Status.STATUS_CODE_UNSET
    found = attributes(root)
    assert (found["chaosp7.verdict"], found["chaosp7.tier.silver.lost"]) == ("deviated", 72)
    assert attributes(spans["outage topic"])["chaosp7.outage_s"] == 2.5


def test_the_service_is_chaosp7_unless_the_environment_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    with receiver() as there:
        send(there)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=nightly,team=data")
        send(there)
    for request in there.requests:
        (resource,) = decoded(request).resource_spans
        names.append({p.key: p.value.string_value for p in resource.resource.attributes})
    assert names[0]["service.name"] == "chaosp7"
    assert (names[1]["service.name"], names[1]["team"]) == ("nightly", "data")


def test_a_run_that_is_sent_again_is_the_same_trace_and_another_run_is_another() -> None:
    with receiver() as there:
        send(there)
        send(there)
        send(there, evidence(number=2))
    first, again, other = ({(s.trace_id, s.span_id) for s in spans_of(r).values()} for r in there.requests)
    assert first == again
    assert not first & other


def test_headers_of_the_environment_go_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    with receiver() as there:
        send(there)
    assert there.requests[0].headers["authorization"] == "Bearer abc"


def test_what_names_and_numbers_hold_does_not_stop_it() -> None:
    (fault,) = evidence().faults
    hostile = msgspec.structs.replace(
        fault, kind="lone \ud800", target="\x00\n" * 5, detail={"big": 1 << 70, "inf": float("inf"), "": ""}
    )
    run = msgspec.structs.replace(
        evidence(), experiment="lone \udfff", faults=[hostile],
        clock=ev.ClockAnchor(monotonic_ns=1 << 62, wall_ns=0), reasons=["\ud800"], verdict="error",
    )  # fmt: skip
    with receiver() as there:
        send(there, run)
    spans = spans_of(there.requests[0])
    assert "run lone ?" in spans
    (found,) = [span for name, span in spans.items() if name.startswith("fault")]
    assert attributes(found)["chaosp7.fault.detail.big"] == str(1 << 70)


@pytest.mark.parametrize("status", [302, 400, 401, 404, 500])
def test_an_answer_that_is_no_yes_is_an_error_and_not_asked_again(status: int) -> None:
    answer = Answer(status, headers={"Location": "/login"})
    with receiver(lambda _: answer) as there, pytest.raises(ExportError, match=f"HTTP {status}"):
        send(there)
    assert len(there.requests) == 1


def test_a_receiver_that_is_overloaded_for_a_moment_is_asked_again() -> None:
    answers = iter([Answer(503), Answer()])
    with receiver(lambda _: next(answers)) as there:
        assert send(there) == 12
    assert len(there.requests) == 2


def test_a_receiver_that_hangs_is_left_after_the_time_limit(capfd: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    with receiver(lambda _: HANG) as there, pytest.raises(ExportError, match="wasn't taken"):
        send(there, timeout_s=1)
    assert time.monotonic() - begun < 1 + SLACK_S
    assert capfd.readouterr().err == ""  # the exporter's own log lines belong into our error


def test_one_that_is_not_there_is_told_and_a_password_in_its_address_is_not() -> None:
    with receiver() as there:
        port = there.server.server_port
    run = evidence()
    with pytest.raises(ExportError, match=rf"http://127\.0\.0\.1:{port}/v1/traces: .*[Rr]efused") as caught:
        send_trace(f"http://me:hush@127.0.0.1:{port}/v1/traces", record_of("x", run), 2)
    assert "hush" not in str(caught.value)


def test_a_header_that_cannot_be_sent_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hush%0Ahush")
    with receiver() as there, pytest.raises(ExportError) as caught:
        send(there)
    assert "hush" not in str(caught.value)
