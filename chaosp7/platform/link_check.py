"""Is every link what its clients really use?"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chaosp7.embedded import topics
from chaosp7.embedded.plan_model import Plan
from chaosp7.errors import PlatformError
from chaosp7.platform.links import Links
from chaosp7.platform.model import Part

__all__ = ["check_links"]


def check_links(plan: Plan, links: Links, reach: Callable[[str], tuple[str, int]] | None = None) -> None:
    """Make sure that every link is there, clean, and not gone round by Kafka's clients.

    A Kafka client goes where the metadata send it: only if that is the proxy does cutting the
    link cut anything.

    Args:
        plan: the platform's.
        links: the proxies.
        reach: link -> host and port where this machine reaches its proxy; None: as planned.

    Raises:
        PlatformError: if a link isn't as planned, or a broker sends its clients past the proxy.
        FaultError: if Toxiproxy doesn't answer.
    """
    states = links.states()
    for name, link in plan.links.items():
        state = states.get(name)
        if state is None or not state.clean:
            raise PlatformError(f"link {name} isn't as planned: {state or 'it has no proxy'}")
        # Where somebody else runs the containers, only they know where the proxy goes on to.
        upstream = state.upstream_port if link.upstream_host else link.upstream_port
        if (state.listen_port, upstream) != (link.listen_port, link.upstream_port):
            raise PlatformError(f"link {name} isn't as planned: {state}")
    to_broker = [name for name, link in plan.links.items() if plan.services[link.server].part is Part.KAFKA]
    if not to_broker:
        return
    with ThreadPoolExecutor(len(to_broker)) as pool:
        reached = [reach(name) if reach else _planned(plan, name) for name in to_broker]
        answers = pool.map(topics.advertised, [f"{host}:{port}" for host, port in reached])
        for name, sent_to in zip(to_broker, answers, strict=True):
            _refuse_detour(plan, name, sent_to)


def _planned(plan: Plan, link: str) -> tuple[str, int]:
    return plan.links[link].listen_host, plan.links[link].listen_port


def _refuse_detour(plan: Plan, name: str, sent_to: set[str]) -> None:
    link = plan.links[name]
    # In somebody else's network the proxy has a name that means nothing here; its port is what it is.
    as_planned = (
        sent_to == {f"{link.listen_host}:{link.listen_port}"}
        if link.upstream_host
        else {int(address.rpartition(":")[2]) for address in sent_to} == {link.listen_port}
    )
    if not as_planned:
        raise PlatformError(
            f"link {name}: the broker sends its clients to {', '.join(sorted(sent_to))} past "
            f"the proxy at {link.listen_host}:{link.listen_port}: a fault on this link would do nothing"
        )
