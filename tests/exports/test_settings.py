"""Where exports go: the argument before the environment, and the standard's variables as it has them."""

from pathlib import Path

import pytest

from chaosp7.exports.settings import Exports, otlp_traces_url, prometheus_path

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("argument", "env", "wanted"),
    [
        (None, {}, None),
        (None, {BASE: ""}, None),
        (None, {BASE: "http://a:4318"}, "http://a:4318/v1/traces"),
        (None, {BASE: "http://a/otlp/"}, "http://a/otlp/v1/traces"),
        (None, {BASE: "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/x"}, "http://b/x"),
        (None, {BASE: "http://a", "OTEL_SDK_DISABLED": "True"}, None),
        (None, {BASE: "http://a", "OTEL_TRACES_EXPORTER": "none"}, None),
        ("http://c", {BASE: "http://a"}, "http://c/v1/traces"),
        ("http://c", {"OTEL_SDK_DISABLED": "true"}, "http://c/v1/traces"),
        ("", {BASE: "http://a"}, None),
    ],
)
def test_the_traces_address(argument: str | None, env: dict[str, str], wanted: str | None) -> None:
    assert otlp_traces_url(Exports(otlp_endpoint=argument), env) == wanted


@pytest.mark.parametrize(
    ("argument", "env", "wanted"),
    [
        (None, {}, None),
        (None, {"CHAOSP7_PROMETHEUS": "/a/x.prom"}, "/a/x.prom"),
        ("y.prom", {"CHAOSP7_PROMETHEUS": "/a/x.prom"}, "/started/here/y.prom"),
        ("", {"CHAOSP7_PROMETHEUS": "/a/x.prom"}, None),
    ],
)
def test_the_figures_file(
    monkeypatch: pytest.MonkeyPatch, argument: str | None, env: dict[str, str], wanted: str | None
) -> None:
    monkeypatch.setenv("CHAOSP7_STARTED_IN", "/started/here")
    assert prometheus_path(Exports(prometheus=argument), env) == (Path(wanted) if wanted else None)
