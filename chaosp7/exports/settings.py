"""Where exports go: an experiment's argument, or else the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from chaosp7.child import started_in

__all__ = [
    "GRAFANA_TOKEN_ENV",
    "GRAFANA_URL_ENV",
    "PROMETHEUS_ENV",
    "Exports",
    "otlp_traces_url",
    "prometheus_path",
]

#: A file, or the folder of the node exporter's textfile collector.
PROMETHEUS_ENV = "CHAOSP7_PROMETHEUS"

GRAFANA_URL_ENV = "CHAOSP7_GRAFANA_URL"
GRAFANA_TOKEN_ENV = "CHAOSP7_GRAFANA_TOKEN"  # noqa: S105  # its name, not a token

_OTLP_ENV = "OTEL_EXPORTER_OTLP_ENDPOINT"
_OTLP_TRACES_ENV = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_TRACES_PATH = "v1/traces"


class Exports(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The evidence control's argument ``exports``.

    Attributes:
        prometheus: file or folder for the figures; empty: none, whatever the environment says.
        otlp_endpoint: base address of an OTLP/HTTP receiver; empty: none, likewise.
        limit_s: how long a finished run may wait for its exports, seconds.
    """

    prometheus: str | None = None
    otlp_endpoint: str | None = None
    limit_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0


def prometheus_path(exports: Exports, env: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file or folder that the figures go to; None if nobody wants them.

    Relative names count from where the run or its suite was started.
    """
    wanted = env.get(PROMETHEUS_ENV) if exports.prometheus is None else exports.prometheus
    return started_in() / wanted if wanted else None


def otlp_traces_url(exports: Exports, env: Mapping[str, str] = os.environ) -> str | None:
    """Return the address that a trace is posted to; None if nobody wants it.

    As OpenTelemetry has it: the general address gets ``/v1/traces`` appended, that of traces is used as it
    is, and ``OTEL_SDK_DISABLED`` or ``OTEL_TRACES_EXPORTER=none`` switches off what the environment asks for.
    """
    if exports.otlp_endpoint is not None:
        return _under(exports.otlp_endpoint)
    exporter = env.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return None
    return env.get(_OTLP_TRACES_ENV) or _under(env.get(_OTLP_ENV, ""))


def _under(base: str) -> str | None:
    return f"{base.rstrip('/')}/{_TRACES_PATH}" if base.strip() else None
