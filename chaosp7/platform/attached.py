"""The plan of a platform whose containers somebody else runs: what its file says, as a plan."""

from __future__ import annotations

from collections.abc import Mapping

from chaosp7.embedded.plan_model import Check, HealthPlan, LinkPlan, Plan, ServicePlan
from chaosp7.embedded.state import StateDir
from chaosp7.platform.model import Part, Platform, Service

__all__ = ["attached_plan"]

#: How the parts that a run reaches are asked for their health; the others are up when their container is.
_CHECKS = {
    Part.KAFKA: (Check.KAFKA, ""),
    Part.CLICKHOUSE: (Check.HTTP, "/ping"),
    Part.TOXIPROXY: (Check.TOXIPROXY, "/proxies"),
    Part.EXCHANGE: (Check.HTTP, "/healthz"),
}


def attached_plan(platform: Platform, name: str, state: StateDir, containers: Mapping[str, str]) -> Plan:
    """Return the plan.

    Args:
        platform: the platform file's content; its services name their containers.
        name: what the platform is called.
        state: its state folder.
        containers: service -> name of its container.
    """
    toxiproxy = _address(platform.services[platform.the_service(Part.TOXIPROXY)])[0]
    return Plan(
        name=name,
        platform_file=str(platform.path.absolute()),
        state_dir=str(state.path),
        services={key: _service(service, containers[key]) for key, service in platform.services.items()},
        tasks={},
        links={
            key: LinkPlan(
                client=link.client,
                server=link.server,
                listen_port=link.listen_port,
                upstream_port=0,
                listen_host=toxiproxy,
                upstream_host="",
            )
            for key, link in platform.links.items()
        },
        driver="docker",
    )


def _service(service: Service, container: str) -> ServicePlan:
    host, port = _address(service)
    kind, path = _CHECKS.get(service.part, (Check.CONTAINER, ""))
    if not port:
        kind = Check.CONTAINER
    return ServicePlan(
        part=service.part,
        command=[],
        ports={"main": port} if port else {},
        health=HealthPlan(check=kind, port=port, path=path, host=host),
        host=host,
        container=container,
    )


def _address(service: Service) -> tuple[str, int]:
    host, _, port = service.address.rpartition(":")
    return host, int(port or 0)
