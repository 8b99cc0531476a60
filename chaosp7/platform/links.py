"""Links as Toxiproxy sees them: the one module that talks to it.

`toxiproxy-python` gives the objects. Around them this module sets a time-out on every call,
raises on every answer that isn't 2xx, reads back what it changed, and lets one process talk to
several servers, which the library keeps in class attributes. ``populate`` and ``reset`` aren't
used: the first drops live connections, the second stops at the first proxy that fails.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import requests

from chaosp7.errors import FaultError, HealError, NotVerifiedError
from chaosp7.platform.ports import HOST

with warnings.catch_warnings():
    # The library imports the Python 2 shim `future`, whose strings hold bad escapes.
    warnings.simplefilter("ignore")
    from toxiproxy.api import APIConsumer, validate_response
    from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
    from toxiproxy.proxy import Proxy
    from toxiproxy.server import Toxiproxy

__all__ = ["LinkState", "Links", "Toxic"]

T = TypeVar("T")

_TIMEOUT_S = 3.0
_RETRY_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Toxic:
    """Something that a proxy does to the bytes that pass.

    Attributes:
        type: Toxiproxy's name of it: ``latency``, ``timeout``, ``reset_peer``, ...
        stream: ``upstream`` (client to server) or ``downstream``.
        attributes: of that type.
        toxicity: share of the connections that it is applied to, 0 to 1.
    """

    type: str
    stream: str
    attributes: Mapping[str, int] = field(default_factory=dict)
    toxicity: float = 1.0

    @property
    def name(self) -> str:
        """Its name at its proxy."""
        return f"{self.type}_{self.stream}"


@dataclass(frozen=True, slots=True)
class LinkState:
    """What Toxiproxy says of one link's proxy.

    Attributes:
        name: the link.
        enabled: whether it listens; a disabled one refuses.
        listen_port: where the client connects to.
        upstream: where the server is, or what stands in its place, ``host:port``.
        toxics: by name.
    """

    name: str
    enabled: bool
    listen_port: int
    upstream: str
    toxics: Mapping[str, Toxic]

    @property
    def upstream_port(self) -> int:
        """The port of where it leads."""
        return int(self.upstream.rpartition(":")[2])

    @property
    def clean(self) -> bool:
        """Whether it passes everything on untouched."""
        return self.enabled and not self.toxics


class Links:
    """The links of one platform.

    Args:
        port: Toxiproxy's API.
        timeout_s: of every call, seconds.
        host: its address.
    """

    def __init__(self, port: int, timeout_s: float = _TIMEOUT_S, host: str = HOST) -> None:
        self.port = port
        session = requests.Session()
        session.trust_env = False  # HTTP_PROXY isn't for loopback
        api = type(
            "_ApiOfServer", (_Api,), {"host": host, "port": port, "timeout_s": timeout_s, "session": session}
        )
        self._server = _Server(api)

    def states(self) -> dict[str, LinkState]:
        """Return the states of all links, by name.

        Raises:
            FaultError: if Toxiproxy doesn't answer properly.
        """
        proxies = self._call("list the proxies", self._server.proxies)
        return {name: _state(proxy) for name, proxy in proxies.items()}

    def state(self, link: str) -> LinkState:
        """Return the state of one link.

        Raises:
            FaultError: if there is no such link, or Toxiproxy doesn't answer properly.
        """
        return _state(self._proxy(link))

    def create(self, link: str, listen_port: int, upstream_port: int) -> LinkState:
        """Make a link's proxy.

        Raises:
            FaultError: if it exists, its port is taken, or Toxiproxy doesn't answer properly.
            NotVerifiedError: if it isn't there afterwards as asked for.
        """
        self._call(
            f"create {link}",
            lambda: self._server.create(f"{HOST}:{upstream_port}", link, f"{HOST}:{listen_port}", True),
        )
        state = self.state(link)
        if (state.listen_port, state.upstream, state.clean) != (listen_port, f"{HOST}:{upstream_port}", True):
            raise NotVerifiedError(f"link {link}: was created, but reads back as {state}")
        return state

    def disable(self, link: str) -> LinkState:
        """Have a link refuse connections and close those there are.

        Raises:
            FaultError: if Toxiproxy refuses or doesn't answer.
            NotVerifiedError: if it is still enabled afterwards.
        """
        proxy = self._proxy(link)
        self._call(f"disable {link}", proxy.disable)
        return self._verified(link, lambda state: not state.enabled, "is still enabled")

    def enable(self, link: str) -> LinkState:
        """Have a link listen again.

        Raises:
            FaultError: if Toxiproxy refuses or doesn't answer.
            NotVerifiedError: if it is still disabled afterwards.
        """
        proxy = self._proxy(link)
        self._call(f"enable {link}", proxy.enable)
        return self._verified(link, lambda state: state.enabled, "is still disabled")

    def redirect(self, link: str, upstream: str) -> LinkState:
        """Have a link lead elsewhere; connections that there are end. Can be repeated.

        Args:
            link: the link.
            upstream: where it is to lead, ``host:port``.

        Raises:
            FaultError: if Toxiproxy refuses or doesn't answer.
            NotVerifiedError: if it doesn't lead there afterwards.
        """
        proxy = self._proxy(link)
        self._call(f"redirect {link}", lambda: proxy.redirect(upstream))
        return self._verified(link, lambda state: state.upstream == upstream, f"doesn't lead to {upstream}")

    def add_toxic(self, link: str, toxic: Toxic) -> LinkState:
        """Put a toxic on a link.

        Raises:
            FaultError: if Toxiproxy refuses (it has one of that name already, or an unknown
                type) or doesn't answer.
            NotVerifiedError: if it reads back otherwise: Toxiproxy ignores attributes that it
                doesn't know. The toxic was taken off again.
        """
        proxy = self._proxy(link)
        self._call(
            f"add {toxic.name} to {link}",
            lambda: proxy.add_toxic(
                type=toxic.type,
                stream=toxic.stream,
                name=toxic.name,
                toxicity=toxic.toxicity,
                attributes=dict(toxic.attributes),
            ),
        )
        state = self.state(link)
        there = state.toxics.get(toxic.name)
        if there is None or not _as_asked(toxic, there):
            if there is not None:
                self.remove_toxic(link, toxic.name)
            raise NotVerifiedError(f"link {link}: asked for {toxic}, got {there}")
        return state

    def remove_toxic(self, link: str, name: str) -> LinkState:
        """Take a toxic off a link.

        Raises:
            FaultError: if there is none of that name, or Toxiproxy doesn't answer.
            NotVerifiedError: if it is still there afterwards.
        """
        proxy = self._proxy(link)
        self._call(f"remove {name} from {link}", lambda: proxy.destroy_toxic(name))
        return self._verified(link, lambda state: name not in state.toxics, f"still has {name}")

    def heal(self, link: str, timeout_s: float = 10.0) -> LinkState:
        """Make a link pass everything on again, whatever was done to it; can be repeated.

        Args:
            link: the link.
            timeout_s: how long to try, seconds.

        Raises:
            HealError: if it isn't clean after that time; restart Toxiproxy then.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                state = self.state(link)
                for name in state.toxics:
                    self.remove_toxic(link, name)
                if not state.enabled:
                    self.enable(link)
                state = self.state(link)
                if state.clean:
                    return state
                problem = f"reads back as {state}"
            except (FaultError, NotVerifiedError) as error:
                problem = str(error)
            if time.monotonic() >= deadline:
                raise HealError(f"link {link} can't be healed within {timeout_s:g} s: {problem}")
            time.sleep(_RETRY_EVERY_S)

    def _proxy(self, link: str) -> _Proxy:
        return self._call(f"read {link}", lambda: self._server.get_proxy(link))

    def _verified(self, link: str, as_asked: Callable[[LinkState], bool], otherwise: str) -> LinkState:
        state = self.state(link)
        if not as_asked(state):
            raise NotVerifiedError(f"link {link} {otherwise}")
        return state

    def _call(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (ProxyExists, NotFound, InvalidToxic) as error:
            said = error.args[0] if error.args else ""
            text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
            raise FaultError(f"Toxiproxy refuses to {what}: {text.strip()}") from error
        except (requests.RequestException, KeyError, ValueError) as error:
            raise FaultError(f"Toxiproxy on port {self.port} failed to {what}: {error}") from error


def _as_asked(asked: Toxic, there: Toxic) -> bool:
    same = (asked.type, asked.stream, asked.toxicity) == (there.type, there.stream, there.toxicity)
    # Attributes that weren't named have their defaults there.
    return same and all(there.attributes.get(key) == value for key, value in asked.attributes.items())


def _state(proxy: _Proxy) -> LinkState:
    return LinkState(
        name=proxy.name,
        enabled=proxy.enabled,
        listen_port=int(proxy.listen.rpartition(":")[2]),
        upstream=proxy.upstream,
        toxics={
            toxic["name"]: Toxic(toxic["type"], toxic["stream"], toxic["attributes"], toxic["toxicity"])
            for toxic in proxy.toxics_read
        },
    )


class _Api(APIConsumer):  # type: ignore[misc]  # it has no types
    """The library's HTTP client with time-outs; a subclass for each server."""

    host = HOST
    timeout_s = _TIMEOUT_S
    session: requests.Session

    @classmethod
    def ask(cls, method: str, path: str, body: Any = None) -> Any:
        url = f"http://{cls.host}:{cls.port}{path}"
        response = cls.session.request(method, url, json=body, timeout=cls.timeout_s, allow_redirects=False)
        validate_response(response)
        if not 200 <= response.status_code < 300:
            raise requests.HTTPError(f"HTTP {response.status_code}: {response.text[:200].strip()}")
        return response.json() if response.content else None


class _Server(Toxiproxy):  # type: ignore[misc]  # it has no types
    def __init__(self, api: type[_Api]) -> None:
        self.api = api

    def proxies(self) -> dict[str, _Proxy]:
        return {name: _Proxy(self.api, values) for name, values in self.api.ask("GET", "/proxies").items()}

    def get_proxy(self, proxy_name: str) -> _Proxy:
        return _Proxy(self.api, self.api.ask("GET", f"/proxies/{quote(proxy_name, safe='')}"))

    def create(
        self, upstream: str, name: str, listen: str | None = None, enabled: bool | None = None
    ) -> _Proxy:
        body = {"upstream": upstream, "name": name, "listen": listen, "enabled": enabled}
        return _Proxy(self.api, self.api.ask("POST", "/proxies", body))


class _Proxy(Proxy):  # type: ignore[misc]  # it has no types
    name: str
    enabled: bool
    listen: str
    upstream: str

    def __init__(self, api: type[_Api], values: dict[str, Any]) -> None:
        super().__init__(**values)
        self.api = api
        self.path = f"/proxies/{quote(self.name, safe='')}"
        self.toxics_read: list[dict[str, Any]] = values["toxics"]

    def add_toxic(self, **toxic: Any) -> None:
        self.api.ask("POST", f"{self.path}/toxics", toxic)

    def destroy_toxic(self, toxic_name: str) -> None:
        self.api.ask("DELETE", f"{self.path}/toxics/{quote(toxic_name, safe='')}")

    def disable(self) -> None:
        self.api.ask("POST", self.path, {"enabled": False})

    def redirect(self, upstream: str) -> None:
        self.api.ask("POST", self.path, {"upstream": upstream})

    def enable(self) -> None:
        self.api.ask("POST", self.path, {"enabled": True})
