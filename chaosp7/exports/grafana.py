"""Grafana's HTTP API, as far as annotations need it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import NewConnectionError

from chaosp7.errors import ConfigError, ExportError
from chaosp7.exports.settings import GRAFANA_TOKEN_ENV, GRAFANA_URL_ENV
from chaosp7.exports.text import unicode_of

__all__ = ["Annotation", "Grafana", "NotReachedError", "grafana_of"]

#: Of connecting, and of each part of an answer.
_TIMEOUT_S = (2.0, 3.0)

#: Grafana's database keeps no longer tags.
_LONGEST_TAG = 100
_TOKEN = re.compile(r"[\x21-\x7e]+")


class NotReachedError(ExportError):
    """Grafana has surely not taken a request, and may take it later."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A region on a dashboard.

    Attributes:
        start_ms: Unix time, milliseconds.
        end_ms: None as long as it isn't known.
        text: shown beside it.
        tags: by which dashboards find it.
    """

    start_ms: int
    end_ms: int | None
    text: str
    tags: Sequence[str]

    def body(self) -> dict[str, Any]:
        """Return it in Grafana's words."""
        end = {} if self.end_ms is None else {"timeEnd": self.end_ms}
        tags = list(dict.fromkeys(unicode_of(tag)[:_LONGEST_TAG] for tag in self.tags))
        return {"time": self.start_ms, **end, "text": unicode_of(self.text), "tags": tags}


@dataclass(frozen=True, slots=True)
class Grafana:
    """One Grafana.

    Attributes:
        url: its address.
        token: of a service account that may write annotations; shown nowhere.
    """

    url: str
    token: str = field(repr=False)

    def post(self, annotation: Annotation) -> int:
        """Write an annotation; return its id.

        Raises:
            NotReachedError: if it isn't there, and it may be tried again.
            ExportError: if Grafana refuses it, or nobody knows whether it was taken.
        """
        answer = self._ask("POST", "/api/annotations", annotation.body())
        number = answer.get("id")
        if not isinstance(number, int):
            raise ExportError(f"{self.host} answers without an annotation's id")
        return number

    def patch(self, number: int, annotation: Annotation) -> None:
        """Replace an annotation; the same can be done again.

        Args:
            number: its id.
            annotation: what it is now.

        Raises:
            NotReachedError: if it may be tried again.
            ExportError: if Grafana refuses it.
        """
        try:
            self._ask("PATCH", f"/api/annotations/{number}", annotation.body())
        except _UnsureError as error:
            raise NotReachedError(str(error)) from None

    @property
    def host(self) -> str:
        """Where it is, without a password that the address may hold."""
        return f"Grafana at {urlsplit(self.url).netloc.rpartition('@')[2]}"

    def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer = requests.request(
                method,
                self.url.rstrip("/") + path,
                json=body,
                # Not a plain header: ~/.netrc and a password in the address would go before it.
                auth=_Bearer(self.token),
                timeout=_TIMEOUT_S,
                # What follows a redirection is a GET.
                allow_redirects=False,
            )
        except (requests.ConnectTimeout, requests.ConnectionError) as error:
            # A connection that breaks once it stands says nothing of what was taken.
            kind = NotReachedError if _never_connected(error) else _UnsureError
            raise kind(f"{self.host} can't be reached ({type(error).__name__})") from None
        except (requests.RequestException, ValueError) as error:
            # Errors quote what they are about: the token stays out of them.
            raise _UnsureError(f"{self.host} doesn't answer ({type(error).__name__})") from None
        if answer.status_code in (429, 502, 503, 504):
            raise NotReachedError(f"{self.host} answers HTTP {answer.status_code}")
        if not answer.ok or answer.is_redirect:
            raise ExportError(f"{self.host} answers HTTP {answer.status_code}")
        try:
            found = answer.json()
        except ValueError:
            found = None
        return found if isinstance(found, dict) else {}


class _UnsureError(ExportError):
    """Nobody knows whether Grafana has taken a request."""


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _never_connected(error: requests.RequestException) -> bool:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(cause, NewConnectionError)


def grafana_of(env: Mapping[str, str] = os.environ) -> Grafana | None:
    """Return the Grafana that the environment names; None if it names none.

    Raises:
        ConfigError: if the address or the token can't be one.
    """
    url, token = env.get(GRAFANA_URL_ENV, "").strip(), env.get(GRAFANA_TOKEN_ENV, "").strip()
    if not url:
        return None
    try:
        parsed = urlsplit(url)
        usable = parsed.scheme in ("http", "https") and bool(parsed.hostname) and parsed.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{GRAFANA_URL_ENV} is no http or https address")
    if not _TOKEN.fullmatch(token):
        raise ConfigError(f"{GRAFANA_TOKEN_ENV} is missing, or holds what no token holds")
    return Grafana(url, token)
