"""Take a container off its networks and bring it back as it was.

Docker forgets a container's addresses and names on a network when it is disconnected: they are noted
before, as a text that fits into the fault ledger.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from chaosp7.platform.containers import Containers, ContainerState

__all__ = ["connected", "disconnect", "reconnect", "settings"]


def settings(state: ContainerState) -> str:
    """Return what `reconnect` needs: addresses and names of each network.

    Args:
        state: the container's, while it is connected.
    """
    return json.dumps({network: _kept(there) for network, there in state.networks.items()})


def _kept(there: Any) -> dict[str, Any]:
    # What it had been given; what Docker chose by itself it may choose again.
    given = there.get("IPAMConfig") or {}
    return {
        "aliases": there.get("Aliases"),
        "links": there.get("Links"),
        "ipv4_address": given.get("IPv4Address"),
        "ipv6_address": given.get("IPv6Address"),
        "driver_opt": there.get("DriverOpts"),
    }


def disconnect(containers: Containers, state: ContainerState) -> None:
    """Take a container off all its networks.

    Raises:
        PlatformError: if the daemon doesn't do it, or the container hasn't agreed to be a target.
    """
    container = containers.target(state.name)
    for network in state.networks:
        found = _network(containers, network)
        containers.call(f"disconnect {state.name}", partial(found.disconnect, container, force=True))


def reconnect(containers: Containers, state: ContainerState, wanted: str) -> None:
    """Bring a container back to the networks that it isn't on; can be repeated.

    Args:
        containers: the daemon.
        state: the container's now.
        wanted: its `settings` of before.

    Raises:
        PlatformError: if the daemon doesn't do it, or the container hasn't agreed to be a target.
    """
    container = containers.target(state.name)
    for network, kept in json.loads(wanted).items():
        if network not in state.networks:
            found = _network(containers, network)
            containers.call(f"connect {state.name}", partial(found.connect, container, **kept))


def connected(state: ContainerState, wanted: str) -> bool:
    """Tell whether a container is on its networks, with the addresses it had been given.

    Args:
        state: the container's now.
        wanted: its `settings` of before.
    """
    for network, kept in json.loads(wanted).items():
        there = state.networks.get(network)
        if there is None:
            return False
        # One that is down has no address.
        if state.running and kept["ipv4_address"] and there["IPAddress"] != kept["ipv4_address"]:
            return False
    return True


def _network(containers: Containers, name: str) -> Any:
    return containers.call(f"find {name}", lambda: containers.client.networks.get(name))
