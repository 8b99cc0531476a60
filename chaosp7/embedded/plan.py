"""Resolve a platform file into a plan: which process, on which ports, in which order.

Every link is given a proxy; a client of a link is pointed at the proxy and never learns where
the server is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping

from chaosp7.embedded import bounded_disk, fake_clock, kafka, lake, orchestrator, planted, provision
from chaosp7.embedded.plan_model import Check, HealthPlan, LinkPlan, Plan, ServicePlan, TaskPlan
from chaosp7.embedded.provision import Parts
from chaosp7.embedded.state import StateDir
from chaosp7.errors import ConfigError
from chaosp7.platform.model import Link, Part, Platform
from chaosp7.platform.ports import HOST

__all__ = ["TOPICS_TASK", "build", "container_name", "needed_parts", "prepare", "wanted_ports"]

#: The step of the start that makes the topics.
TOPICS_TASK = "topics"

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def needed_parts(platform: Platform) -> tuple[str, ...]:
    """Return which provisioned parts the platform runs on.

    Raises:
        ConfigError: if it runs on a package that isn't installed.
    """
    cold = provision.COLD if platform.services_of(Part.OBJECT_STORE) else ()
    if platform.services_of(Part.ORCHESTRATOR) and platform.made_by_us:
        orchestrator.require()
    return (*provision.NEEDED, *cold)


def wanted_ports(platform: Platform) -> dict[str, int]:
    """Return what ports the platform needs: what for -> the fixed port, or 0 for any.

    The keys are ``<service> <role>``; a link's proxy belongs to the Toxiproxy service.
    """
    wanted: dict[str, int] = {}
    toxiproxy = platform.the_service(Part.TOXIPROXY)
    for name, service in platform.services.items():
        wanted[f"{name} main"] = service.port
        if service.part is Part.EXCHANGE:
            wanted |= {f"{name} {exchange}": 0 for exchange in platform.feeds}
        if service.part is Part.KAFKA:
            wanted[f"{name} controller"] = 0
    for name, link in platform.links.items():
        wanted[f"{toxiproxy} {name}"] = 0
        if platform.service(link.server).part is Part.KAFKA:
            wanted[f"{link.server} {name}"] = 0
    return wanted


def build(
    platform: Platform,
    parts: Parts,
    ports: Mapping[str, int],
    state: StateDir,
    name: str,
    hosts: Mapping[str, str] | None = None,
) -> Plan:
    """Resolve a platform file; nothing is written or started.

    Args:
        platform: the file's content.
        parts: the provisioned parts.
        ports: a port for each key of `wanted_ports`.
        state: the platform's state folder.
        name: what the platform is called.
        hosts: service -> the address that it listens on; None: all on loopback.

    Raises:
        ConfigError: if services aren't linked as their parts need it, or a name can't be a file's.
    """
    for service in platform.services:
        if not _FILE_NAME.fullmatch(service):
            raise ConfigError(
                f"{platform.path}: services: {service!r} can't be a file's name; a service's must"
            )
    at = dict.fromkeys(platform.services, HOST) if hosts is None else hosts
    links = {
        key: LinkPlan(
            client=link.client,
            server=link.server,
            listen_port=ports[f"{platform.the_service(Part.TOXIPROXY)} {key}"],
            upstream_port=_upstream(platform, key, link, ports),
            listen_host=at[platform.the_service(Part.TOXIPROXY)],
            upstream_host=at[link.server],
        )
        for key, link in platform.links.items()
    }
    builder = _Builder(platform, parts, ports, state, links, at)
    services = {key: builder.service(key) for key in platform.services}
    broker = services[platform.the_service(Part.KAFKA)]
    topics = [*_python("topics"), "--brokers", f"{broker.host}:{broker.ports['main']}"]
    topics += ["--partitions", str(platform.partitions), *platform.topics.values()]
    return Plan(
        name=name,
        platform_file=str(platform.path.absolute()),
        state_dir=str(state.path),
        services=services,
        tasks={TOPICS_TASK: TaskPlan(command=topics)},
        links=links,
        driver=platform.driver,
    )


def prepare(plan: Plan, parts: Parts) -> None:
    """Write the files that the plan's services read when they start; the folders must be there.

    Raises:
        PlatformError: if a service can't have a disk of its own.
    """
    state = plan.state
    for name, service in plan.services.items():
        state.data(name).mkdir(parents=True, exist_ok=True)
        if service.disk_mb and not bounded_disk.is_bounded(state.data(name)):
            bounded_disk.bound(state.data(name), service.disk_mb)
        if service.adjustable_clock:
            fake_clock.turn(state.data(name), 0)
        if service.part is Part.KAFKA:
            kafka.prepare(
                parts.kafka.template, state.data(name), _listeners(plan, name), service.ports["controller"]
            )
        if service.part is Part.OBJECT_STORE:
            # Each folder of its root is a bucket.
            for folder in ("store", "sidecar"):
                (state.data(name) / folder / lake.BUCKET).mkdir(parents=True, exist_ok=True)
        if service.part is Part.TOXIPROXY:
            proxies = [
                {
                    "name": key,
                    "listen": f"{link.listen_host}:{link.listen_port}",
                    "upstream": f"{link.upstream_host}:{link.upstream_port}",
                    "enabled": True,
                }
                for key, link in plan.links.items()
            ]
            (state.data(name) / "proxies.json").write_text(json.dumps(proxies, indent=1), encoding="utf-8")


def container_name(platform: str, service: str) -> str:
    """Return what the container of a service is called, where we make it."""
    return f"chaosp7-{platform}-{service}"


def _listeners(plan: Plan, broker: str) -> list[kafka.Listener]:
    main, host = plan.services[broker].ports["main"], plan.services[broker].host
    of_links = [
        kafka.Listener(name, link.upstream_port, link.listen_port, host, link.listen_host)
        for name, link in plan.links.items()
        if link.server == broker
    ]
    return [kafka.Listener(kafka.DIRECT, main, main, host, host), *of_links]


def _upstream(platform: Platform, name: str, link: Link, ports: Mapping[str, int]) -> int:
    server, client = platform.service(link.server), platform.service(link.client)
    match server.part:
        case Part.KAFKA:
            return ports[f"{link.server} {name}"]
        case Part.EXCHANGE if client.exchange:
            return ports[f"{link.server} {client.exchange}"]
        case Part.EXCHANGE:
            raise ConfigError(
                f"{platform.path}: links.{name}: only a feed-handler is a client of an exchange"
            )
    return ports[f"{link.server} main"]


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", f"chaosp7.embedded.{module}"]


class _Builder:
    """Makes the plan of each service."""

    def __init__(
        self,
        platform: Platform,
        parts: Parts,
        ports: Mapping[str, int],
        state: StateDir,
        links: Mapping[str, LinkPlan],
        hosts: Mapping[str, str],
    ) -> None:
        self.platform = platform
        self.parts = parts
        self.ports = ports
        self.state = state
        self.links = links
        self.hosts = hosts

    def service(self, name: str) -> ServicePlan:
        """Return a service's plan."""
        service = self.platform.services[name]
        ports = {
            key.split(" ", 1)[1]: port for key, port in self.ports.items() if key.split(" ", 1)[0] == name
        }
        main, host = ports["main"], self.hosts[name]
        data = self.state.data(name)
        after: list[str] = []
        path = "/api/health" if service.part is Part.ORCHESTRATOR else "/healthz"
        health = HealthPlan(check=Check.HTTP, port=main, path=path, host=host)
        match service.part:
            case Part.EXCHANGE:
                command = [*_python("exchange"), "--control-port", str(main), "--state-dir", str(data)]
                command += self._feeds(ports)
            case Part.KAFKA:
                properties = data / "server.properties"
                command = kafka.broker_command(self.parts.kafka, properties, service.memory_mb)
                health = HealthPlan(check=Check.KAFKA, port=main, host=host)
            case Part.CLICKHOUSE:
                broker = self._through(name, Part.KAFKA)
                command = [*_python("clickhouse"), "--data-dir", str(data), "--http-port", str(main)]
                command += ["--kafka", broker]
                health = HealthPlan(check=Check.HTTP, port=main, path="/ping", host=host)
                # Its consumers would otherwise look for topics that aren't there yet.
                after = [TOPICS_TASK, self.platform.the_service(Part.TOXIPROXY)]
            case Part.TOXIPROXY:
                command = [str(self.parts.toxiproxy), "-host", host, "-port", str(main)]
                # With its proxies in a file it has them back whenever it is started again.
                command += ["-config", str(data / "proxies.json")]
                health = HealthPlan(check=Check.TOXIPROXY, port=main, path="/proxies", host=host)
            case Part.FEED_HANDLER:
                command = self._feed_handler(name, service.exchange, main)
                after = [TOPICS_TASK, *self.platform.services_of(Part.TOXIPROXY), *self._exchange()]
            case Part.OTHER:
                raise ConfigError(f"{self.platform.path}: services.{name}: only a container can be 'other'")
            case Part.SILVER_PROCESSOR:
                server = self._through(name, Part.CLICKHOUSE)
                command = [*_python("silver_processor"), "--clickhouse", server, "--http-port", str(main)]
                command += ["--exchanges", *self.platform.feeds]
                after = [self.platform.the_service(part) for part in (Part.CLICKHOUSE, Part.TOXIPROXY)]
            case Part.OBJECT_STORE | Part.CATALOG | Part.OFFLOAD | Part.ORCHESTRATOR:
                command, after = self._cold(name, service.part, main)
        command += planted.options(service.planted, data)
        if service.adjustable_clock:
            command = [*fake_clock.wrapper(data), *command]
        return ServicePlan(
            part=service.part,
            command=command,
            ports=ports,
            health=health,
            after=after,
            restart=service.restart,
            disk_mb=service.disk_mb,
            adjustable_clock=service.adjustable_clock,
            host=host,
            container=container_name(self.state.path.name, name) if self.platform.driver == "docker" else "",
        )

    def _feed_handler(self, name: str, exchange: str, port: int) -> list[str]:
        command = [*_python("feed_handler"), "--exchange", exchange]
        command += ["--symbols", ",".join(self.platform.feeds[exchange])]
        command += ["--ws-url", f"ws://{self._through(name, Part.EXCHANGE)}/ws"]
        command += ["--brokers", self._through(name, Part.KAFKA), "--topic", self.platform.topics[exchange]]
        return [*command, "--acks", str(self.state.acks / f"{name}.acks"), "--http-port", str(port)]

    def _feeds(self, ports: Mapping[str, int]) -> list[str]:
        options = []
        for exchange, symbols in self.platform.feeds.items():
            options += ["--feed", f"{exchange}={','.join(symbols)}"]
            options += ["--listen", f"{exchange}={ports[exchange]}"]
        return options

    def _cold(self, name: str, part: Part, port: int) -> tuple[list[str], list[str]]:
        """Return the command of a service of the cold tier, and what has to be up before it."""
        data, address = self.state.data(name), f"{self.hosts[name]}:{port}"
        if part is Part.OBJECT_STORE:
            command = [str(self.parts.versitygw), "--access", lake.ACCESS_KEY, "--secret", lake.SECRET_KEY]
            command += ["--region", lake.REGION, "--port", address, "--health", "/healthz", "--quiet"]
            # Beside the objects, not in extended attributes, which not every file system has.
            return [*command, "posix", "--sidecar", str(data / "sidecar"), str(data / "store")], []
        command = [*_python(part.value), "--data-dir", str(data), "--http-port", str(port)]
        if part is Part.ORCHESTRATOR:
            return [*command, "--host", self.hosts[name]], []
        command += ["--object-store", self._through(name, Part.OBJECT_STORE)]
        after = [Part.TOXIPROXY, Part.OBJECT_STORE]
        if part is Part.OFFLOAD:
            command += ["--clickhouse", self._through(name, Part.CLICKHOUSE)]
            command += ["--catalog", f"http://{self._through(name, Part.CATALOG)}"]
            after += [Part.CLICKHOUSE, Part.CATALOG]
            if self.platform.services_of(Part.ORCHESTRATOR):
                command += ["--orchestrator", f"http://{self._through(name, Part.ORCHESTRATOR)}/api"]
                # A run that fails is to be seen soon; the next one is some seconds away.
                command += ["--tries", "2"]
                after += [Part.ORCHESTRATOR]
        return command, [self.platform.the_service(one) for one in after]

    def _exchange(self) -> list[str]:
        return self.platform.services_of(Part.EXCHANGE)

    def _through(self, client: str, part: Part) -> str:
        """Return the address at which a client finds the service that is this part."""
        server = self.platform.the_service(part)
        proxies = [
            f"{link.listen_host}:{link.listen_port}"
            for link in self.links.values()
            if (link.client, link.server) == (client, server)
        ]
        if not proxies:
            # Not linked: this edge can't be cut, but it works.
            return self._direct(client, server, part)
        if len(proxies) > 1:
            problem = f"{client!r} has {len(proxies)} links to {server!r}"
            raise ConfigError(f"{self.platform.path}: links: {problem}")
        return proxies[0]

    def _direct(self, client: str, server: str, part: Part) -> str:
        role = self.platform.services[client].exchange if part is Part.EXCHANGE else "main"
        return f"{self.hosts[server]}:{self.ports[f'{server} {role}']}"
