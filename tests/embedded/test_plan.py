"""The plan: every link by its proxy, every port asked for once, the files that services read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from chaosp7.embedded import plan_model
from chaosp7.embedded.plan import build, needed_parts, prepare, wanted_ports
from chaosp7.embedded.plan_model import Plan
from chaosp7.embedded.provision import Parts
from chaosp7.embedded.state import StateDir
from chaosp7.errors import ConfigError, PlatformError
from chaosp7.platform.loader import load
from chaosp7.platform.model import Link, Platform, Service


@pytest.fixture
def platform() -> Platform:
    return load("embedded")


def _plan(platform: Platform, parts: Parts, folder: Path) -> Plan:
    wanted = wanted_ports(platform)
    ports = {what: 15000 + index for index, what in enumerate(wanted)}
    return build(platform, parts, ports, StateDir(folder), "here")


def _argument(plan: Plan, service: str, option: str) -> str:
    command = plan.services[service].command
    return command[command.index(option) + 1]


def test_every_client_is_pointed_at_its_links_proxy(platform: Platform, parts: Parts, tmp_path: Path) -> None:
    plan = _plan(platform, parts, tmp_path)

    def proxy(link: str) -> str:
        return f"127.0.0.1:{plan.links[link].listen_port}"

    for exchange in platform.feeds:
        handler = f"feed-handler-{exchange}"
        assert _argument(plan, handler, "--brokers") == proxy(f"{handler}->redpanda")
        assert _argument(plan, handler, "--ws-url") == f"ws://{proxy(f'exchange->{handler}')}/ws"
        assert plan.links[f"exchange->{handler}"].upstream_port == plan.services["exchange"].ports[exchange]
    assert _argument(plan, "clickhouse", "--kafka") == proxy("clickhouse->redpanda")
    assert _argument(plan, "silver-processor", "--clickhouse") == proxy("silver-processor->clickhouse")
    upstream = plan.links["silver-processor->clickhouse"].upstream_port
    assert upstream == plan.services["clickhouse"].ports["main"]


def test_the_broker_has_a_listener_per_link_that_advertises_the_proxy(
    platform: Platform, parts: Parts, tmp_path: Path
) -> None:
    plan = _plan(platform, parts, tmp_path)
    plan.state.prepare(keep_data=False)
    prepare(plan, parts)
    properties = (plan.state.data("redpanda") / "server.properties").read_text()
    lines = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    advertised = {entry.split("://")[1] for entry in lines["advertised.listeners"].split(",")}
    to_broker = [link for link in plan.links.values() if link.server == "redpanda"]
    proxies = {f"127.0.0.1:{link.listen_port}" for link in to_broker}
    assert advertised == proxies | {f"127.0.0.1:{plan.services['redpanda'].ports['main']}"}
    assert len({link.upstream_port for link in to_broker}) == len(to_broker) == 4


def test_toxiproxys_file_has_every_link(platform: Platform, parts: Parts, tmp_path: Path) -> None:
    plan = _plan(platform, parts, tmp_path)
    plan.state.prepare(keep_data=False)
    prepare(plan, parts)
    proxies = json.loads((plan.state.data("toxiproxy") / "proxies.json").read_text())
    assert {proxy["name"] for proxy in proxies} == set(platform.links)
    assert all(proxy["enabled"] for proxy in proxies)


def test_all_ports_differ_and_fixed_ones_are_asked_for(
    platform: Platform, parts: Parts, tmp_path: Path
) -> None:
    service = msgspec.structs.replace(platform.services["clickhouse"], port=8123)
    platform = msgspec.structs.replace(platform, services={**platform.services, "clickhouse": service})
    wanted = wanted_ports(platform)
    assert {what: port for what, port in wanted.items() if port} == {"clickhouse main": 8123}
    plan = _plan(platform, parts, tmp_path)
    listens = [port for one in plan.services.values() for port in one.ports.values()]
    assert len(listens) == len(set(listens)) == len(wanted)


def test_the_plan_survives_its_file(platform: Platform, parts: Parts, tmp_path: Path) -> None:
    plan = _plan(platform, parts, tmp_path)
    plan_model.write(plan)
    assert plan_model.read(plan.state) == plan


def test_an_unlinked_client_goes_straight_to_its_server(
    platform: Platform, parts: Parts, tmp_path: Path
) -> None:
    links = {name: link for name, link in platform.links.items() if link.client != "silver-processor"}
    plan = _plan(msgspec.structs.replace(platform, links=links), parts, tmp_path)
    main = plan.services["clickhouse"].ports["main"]
    assert _argument(plan, "silver-processor", "--clickhouse") == f"127.0.0.1:{main}"


def test_two_links_between_the_same_two_are_refused(platform: Platform, parts: Parts, tmp_path: Path) -> None:
    links = {**platform.links, "again": Link(client="clickhouse", server="redpanda")}
    with pytest.raises(ConfigError, match="'clickhouse' has 2 links to 'redpanda'"):
        _plan(msgspec.structs.replace(platform, links=links), parts, tmp_path)


def test_a_service_whose_name_is_no_file_name_is_refused(
    platform: Platform, parts: Parts, tmp_path: Path
) -> None:
    handler = Service(part=platform.services["feed-handler-kraken"].part, exchange="kraken")
    services = {**platform.services, "../up": handler}
    with pytest.raises(ConfigError, match="can't be a file's name"):
        _plan(msgspec.structs.replace(platform, services=services), parts, tmp_path)


@pytest.mark.parametrize("content", [None, "{", "{}"], ids=["missing", "torn", "other"])
def test_a_missing_or_damaged_plan_is_an_error(tmp_path: Path, content: str | None) -> None:
    state = StateDir(tmp_path)
    if content is not None:
        state.plan.write_text(content)
    with pytest.raises(PlatformError):
        plan_model.read(state)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", "x" * 65])
def test_names_that_are_no_folders_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        StateDir.of(name)


def test_the_offload_reaches_each_server_by_its_link_and_the_catalog_the_store_directly(
    parts: Parts, tmp_path: Path
) -> None:
    cold = load("embedded-cold")
    plan = _plan(cold, parts, tmp_path)

    def proxy(server: str) -> str:
        return f"127.0.0.1:{plan.links[f'offload->{server}'].listen_port}"

    assert _argument(plan, "offload", "--clickhouse") == proxy("clickhouse")
    assert _argument(plan, "offload", "--catalog") == f"http://{proxy('catalog')}"
    assert _argument(plan, "offload", "--object-store") == proxy("minio")
    store = plan.services["minio"]
    assert _argument(plan, "catalog", "--object-store") == f"127.0.0.1:{store.ports['main']}"
    assert set(plan.services["offload"].after) == {"clickhouse", "minio", "catalog", "toxiproxy"}
    plan.state.prepare(keep_data=False)
    prepare(plan, parts)
    assert (plan.state.data("minio") / "store" / "lake").is_dir()


def test_the_object_stores_server_is_asked_for_only_where_there_is_one(platform: Platform) -> None:
    assert needed_parts(platform) == ("kafka", "toxiproxy")
    assert needed_parts(load("embedded-cold")) == ("kafka", "toxiproxy", "versitygw")


def test_the_offload_reaches_its_orchestrator_by_its_link_and_waits_for_it(
    parts: Parts, tmp_path: Path
) -> None:
    plan = _plan(load("embedded-prefect"), parts, tmp_path)
    proxy = plan.links["offload->prefect-server"].listen_port
    assert _argument(plan, "offload", "--orchestrator") == f"http://127.0.0.1:{proxy}/api"
    assert "prefect-server" in plan.services["offload"].after
    server = plan.services["prefect-server"]
    assert (server.health.path, server.health.port) == ("/api/health", server.ports["main"])
    assert _argument(plan, "prefect-server", "--host") == "127.0.0.1"


def test_a_platform_whose_orchestrator_is_not_installed_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ConfigError, match=r"has no Prefect: pip install 'chaosp7\[prefect\]'"):
        needed_parts(load("embedded-prefect"))


def test_a_platform_without_a_cold_tier_needs_no_pyiceberg() -> None:
    modules = "chaosp7.cli, chaosp7.embedded.plan, chaosp7.platform.bring_up, chaosp7.embedded.lake"
    code = f"import {modules}, sys; sys.exit('pyiceberg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
