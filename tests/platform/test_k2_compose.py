"""K2's platform file, its Compose override and its proxies belong together.

K2's own images aren't here: that its containers do what these files say is for who runs K2.
"""

import json
from typing import Any

import yaml

from chaosp7.platform.loader import load
from chaosp7.platform.model import Part
from tests.chaos import REPOSITORY

K2 = REPOSITORY / "platforms" / "k2"
PLATFORM = load("k2-compose")
OVERRIDE: dict[str, Any] = yaml.safe_load((K2 / "docker-compose.chaos.yml").read_text())["services"]
PROXIES = {proxy["name"]: proxy for proxy in json.loads((K2 / "proxies.json").read_text())}


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


def listeners(option: str) -> dict[str, str]:
    line = next(word for word in OVERRIDE["redpanda"]["command"] if word.startswith(option + "="))
    return dict(one.split("://") for one in line.split("=", 1)[1].split(","))


def test_every_service_has_agreed_to_be_a_target() -> None:
    assert set(OVERRIDE) == set(PLATFORM.services)
    assert all(service["labels"] == {"chaosp7.target": "true"} for service in OVERRIDE.values())


def test_every_link_has_its_proxy() -> None:
    assert {name: port(proxy["listen"]) for name, proxy in PROXIES.items()} == {
        name: link.listen_port for name, link in PLATFORM.links.items()
    }
    for name, proxy in PROXIES.items():
        assert proxy["upstream"].split(":")[0] == PLATFORM.links[name].server
        assert proxy["enabled"]


def test_every_kafka_client_comes_by_a_listener_that_sends_it_back_to_its_proxy() -> None:
    bound = {port(address): name for name, address in listeners("--kafka-addr").items()}
    advertised = listeners("--advertise-kafka-addr")
    kafka = {name: link for name, link in PLATFORM.links.items() if link.server == "redpanda"}
    assert len(kafka) == 4
    for name, link in kafka.items():
        listener = bound[port(PROXIES[name]["upstream"])]
        assert port(advertised[listener]) == link.listen_port
        service = OVERRIDE[link.client]
        if PLATFORM.services[link.client].part is Part.FEED_HANDLER:
            assert service["environment"]["K2_KAFKA_BOOTSTRAP_SERVERS"] == advertised[listener]
        else:
            # ClickHouse's tables name redpanda:9092: there, that is the proxy.
            toxiproxy = OVERRIDE["toxiproxy"]["networks"]["k2-net"]["ipv4_address"]
            assert service["extra_hosts"] == [f"redpanda:{toxiproxy}"]
            assert advertised[listener] == "redpanda:9092"


def test_every_handler_hears_the_numbered_exchange_through_its_proxy() -> None:
    listens = dict(
        word.removeprefix("--listen=").split("=")
        for word in OVERRIDE["exchange"]["command"]
        if word.startswith("--listen=")
    )
    for exchange in PLATFORM.feeds:
        name = f"exchange->feed-handler-{exchange}"
        url = OVERRIDE[f"feed-handler-{exchange}"]["environment"][f"K2_{exchange.upper()}_WS_URL"]
        assert url == f"ws://toxiproxy:{PLATFORM.links[name].listen_port}/ws"
        assert PROXIES[name]["upstream"] == f"exchange:{listens[exchange]}"


def test_the_exchange_sends_the_feeds_of_the_platform_file() -> None:
    sent = {
        exchange: symbols.split(",")
        for exchange, symbols in (
            word.removeprefix("--feed=").split("=")
            for word in OVERRIDE["exchange"]["command"]
            if word.startswith("--feed=")
        )
    }
    assert sent == PLATFORM.feeds


def test_what_the_runner_talks_to_is_published_on_loopback_only() -> None:
    for name in ("exchange", "toxiproxy", "redpanda"):
        address = PLATFORM.services[name].address
        assert any(one.startswith(f"{address}:") for one in OVERRIDE[name]["ports"])
        assert all(one.startswith("127.0.0.1:") for one in OVERRIDE[name]["ports"])
