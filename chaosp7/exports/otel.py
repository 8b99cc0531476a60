"""Sends a run's spans with OpenTelemetry's own SDK and OTLP/HTTP exporter: the extra ``otel``.

A run's trace has the same ids whenever it is sent, so that one that is sent again from saved evidence
isn't a second one.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Status, StatusCode, Tracer, set_span_in_context

from chaosp7 import __version__
from chaosp7.errors import ExportError
from chaosp7.exports.text import unicode_of
from chaosp7.exports.trace import Span, Value

__all__ = ["send"]

#: Where the exporter tells what went wrong; it raises nothing.
_EXPORTER_LOG = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_INT64 = 1 << 63


def send(trace: Span, seed: str, url: str, timeout_s: float) -> int:
    """Send a trace.

    Args:
        trace: the run's span.
        seed: what its ids are made of: unique to the run.
        url: of the receiver's traces.
        timeout_s: for the request and its repetitions, seconds. Resolving a name isn't limited.

    Returns:
        How many spans it has.

    Raises:
        ExportError: if the receiver didn't take it.
    """
    made = InMemorySpanExporter()
    provider = TracerProvider(
        sampler=ALWAYS_ON, resource=_resource(), id_generator=_Ids(seed), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(made))
    _make(provider.get_tracer("chaosp7", __version__), trace, Context())
    spans = made.get_finished_spans()
    with _complaints() as said, requests.Session() as session:
        statuses: list[int] = []
        session.hooks["response"].append(lambda answer, **_: statuses.append(answer.status_code))
        exporter = OTLPSpanExporter(endpoint=url, timeout=timeout_s, session=session)
        done = exporter.export(spans) is SpanExportResult.SUCCESS
        exporter.shutdown()  # type: ignore[no-untyped-call]  # it has no types
    # The exporter takes a redirection, to a page for logging in for example, for success.
    if not done or not statuses or statuses[-1] >= requests.codes.multiple_choices:
        why = f"HTTP {statuses[-1]}" if statuses else said[0] if said else "no answer"
        raise ExportError(f"the trace wasn't taken by {_host(url)}: {why}")
    return len(spans)


def _host(url: str) -> str:
    """Return where an address leads, without a password that it may hold."""
    parsed = urlsplit(url)
    return f"{parsed.scheme}://{parsed.netloc.rpartition('@')[2]}{parsed.path}"


def _resource() -> Resource:
    resource = Resource.create()
    named = str(resource.attributes.get(SERVICE_NAME, ""))
    return resource.merge(Resource({SERVICE_NAME: "chaosp7"})) if named.startswith("unknown_") else resource


def _make(tracer: Tracer, span: Span, parent: Context) -> None:
    made = tracer.start_span(
        unicode_of(span.name),
        parent,
        attributes=_attributes(span.attributes),
        start_time=max(0, span.start_ns),
    )
    for event in span.events:
        made.add_event(unicode_of(event.name), _attributes(event.attributes), max(0, event.at_ns))
    if span.good is not None:
        made.set_status(
            Status(StatusCode.OK) if span.good else Status(StatusCode.ERROR, unicode_of(span.problem))
        )
    for child in span.children:
        _make(tracer, child, set_span_in_context(made))
    made.end(max(0, span.end_ns))


def _attributes(values: Mapping[str, Value]) -> dict[str, Any]:
    return {unicode_of(name): _valid(value) for name, value in values.items()}


def _valid(value: Value) -> Value:
    """Return what protobuf can hold."""
    if isinstance(value, list):
        return [unicode_of(one) for one in value]
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return str(value)
    return unicode_of(value) if isinstance(value, str) else value


class _Ids(IdGenerator):
    """Ids that follow from the run."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode("utf-8", "replace")
        self._made = 0

    def _next(self, bits: int) -> int:
        self._made += 1
        digest = hashlib.sha256(self._seed + b"/%d" % self._made).digest()
        return int.from_bytes(digest[: bits // 8], "big") or 1

    def generate_span_id(self) -> int:
        return self._next(64)

    def generate_trace_id(self) -> int:
        return self._next(128)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what the exporter says, which would else go to the terminal."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = " ".join(record.getMessage().split())
            # An error about a header quotes it, and a header may hold a password.
            said.append("a header can't be sent" if "header" in text.lower() else text[:300])

    log, listener = logging.getLogger(_EXPORTER_LOG), Listener()
    before, log.propagate = log.propagate, False
    log.addHandler(listener)
    try:
        yield said
    finally:
        log.removeHandler(listener)
        log.propagate = before
