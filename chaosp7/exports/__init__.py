"""What a run tells other systems: Prometheus, OpenTelemetry, Grafana. No verdict depends on any of it."""
