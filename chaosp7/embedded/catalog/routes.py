"""The part of Iceberg's REST protocol that PyIceberg's RestCatalog speaks.

An answer that says whether a commit has happened matters more than any other: 409 and 503 say that
it hasn't, 500 that nobody knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from pydantic import ValidationError
from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.table import CommitTableRequest, Table
from pyiceberg.typedef import Identifier

from chaosp7.embedded.catalog.store import CatalogStore
from chaosp7.embedded.http import Request, Response, json_response

__all__ = ["Routes"]

#: Between the levels of a namespace in a path.
_LEVEL: Final = "\x1f"

#: What has gone wrong -> status and the name that the protocol has for it.
_ERRORS: Final[Mapping[type[Exception], tuple[int, str]]] = {
    CommitFailedException: (409, "CommitFailedException"),
    TableAlreadyExistsError: (409, "AlreadyExistsException"),
    NamespaceAlreadyExistsError: (409, "AlreadyExistsException"),
    NamespaceNotEmptyError: (409, "NamespaceNotEmptyException"),
    NoSuchTableError: (404, "NoSuchTableException"),
    NoSuchNamespaceError: (404, "NoSuchNamespaceException"),
    ValidationError: (400, "BadRequestException"),
    NotImplementedError: (501, "UnsupportedOperationException"),
    # Of the object store, before anything was changed: the row in SQLite comes last.
    OSError: (503, "ServiceUnavailableException"),
}

_ENDPOINTS: Final = [
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
]

_NULLS: Final = {"location": None, "partition-spec": None, "write-order": None}

_log = logging.getLogger(__name__)


class Routes:
    """Answers requests; several threads may call it.

    Args:
        store: the catalog.

    Attributes:
        counts: what was done, by name, since the start.
    """

    def __init__(self, store: CatalogStore) -> None:
        self._store = store
        self.counts: dict[str, int] = dict.fromkeys(("loads", "commits", "conflicts", "failures"), 0)

    def __call__(self, request: Request) -> Response:
        """Answer one request; an error of the catalog is an answer too."""
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        action = self._action(request, parts)
        if action is None:
            return _error(404, "NotFoundException", f"there is no {request.method} {request.path}")
        try:
            return action()
        except Exception as error:  # noqa: BLE001 - whatever the catalog raises is an answer
            for kind, (status, name) in _ERRORS.items():
                if isinstance(error, kind):
                    self.counts["conflicts" if kind is CommitFailedException else "failures"] += 1
                    return _error(status, name, str(error))
            self.counts["failures"] += 1
            _log.exception("%s %s failed", request.method, request.path)
            return _error(500, type(error).__name__, str(error))

    def _action(self, request: Request, parts: list[str]) -> Callable[[], Response] | None:
        match request.method, parts:
            case "GET", ["v1", "config"]:
                return _config
            case method, ["v1", "namespaces"]:
                return {
                    "GET": lambda: json_response({"namespaces": self._store.namespaces()}),
                    "POST": lambda: self._create_namespace(request),
                }.get(method)
            case method, ["v1", "namespaces", namespace]:
                name = _identifier(namespace)
                return {
                    "GET": lambda: json_response(
                        {"namespace": name, "properties": self._store.namespace(name)}
                    ),
                    "HEAD": _done(lambda: self._store.namespace(name)),
                    "DELETE": _done(lambda: self._store.drop_namespace(name)),
                }.get(method)
            case method, ["v1", "namespaces", namespace, "tables"]:
                name = _identifier(namespace)
                return {
                    "GET": lambda: self._tables(name),
                    "POST": lambda: self._create(name, request),
                }.get(method)
            case method, ["v1", "namespaces", namespace, "tables", table]:
                identifier = (*_identifier(namespace), table)
                purge = request.query.get("purgeRequested", "").lower() == "true"
                return {
                    "GET": lambda: self._load(identifier),
                    "HEAD": _done(lambda: self._store.load(identifier)),
                    "POST": lambda: self._commit(identifier, request),
                    "DELETE": _done(lambda: self._store.drop(identifier, purge=purge)),
                }.get(method)
        return None

    def _create_namespace(self, request: Request) -> Response:
        wanted = request.json(dict[str, Any])
        name = tuple(wanted["namespace"])
        properties = self._store.create_namespace(name, wanted.get("properties") or {})
        return json_response({"namespace": name, "properties": properties})

    def _tables(self, namespace: Identifier) -> Response:
        found = [{"namespace": name[:-1], "name": name[-1]} for name in self._store.tables(namespace)]
        return json_response({"identifiers": found})

    def _create(self, namespace: Identifier, request: Request) -> Response:
        # PyIceberg leaves out what is null, and its own model insists on it.
        wanted = CreateTableRequest.model_validate({**_NULLS, **request.json(dict[str, Any])})
        if wanted.stage_create:
            raise NotImplementedError("a table is created at once, not staged")
        return _table(self._store.create(namespace, wanted))

    def _load(self, identifier: Identifier) -> Response:
        self.counts["loads"] += 1
        return _table(self._store.load(identifier))

    def _commit(self, identifier: Identifier, request: Request) -> Response:
        done = self._store.commit(identifier, CommitTableRequest.model_validate_json(request.body))
        self.counts["commits"] += 1
        return _model(done.model_dump_json(by_alias=True))


def _config() -> Response:
    # Nothing about the object store: a client's own way to it may lead through a link.
    return json_response({"defaults": {}, "overrides": {}, "endpoints": _ENDPOINTS})


def _table(table: Table) -> Response:
    metadata = table.metadata.model_dump_json(by_alias=True, exclude_none=True)
    location = json_response(table.metadata_location).body.decode().strip()
    return _model(f'{{"metadata-location":{location},"metadata":{metadata},"config":{{}}}}')


def _model(text: str) -> Response:
    return Response(200, text.encode(), "application/json")


def _done(action: Callable[[], object]) -> Callable[[], Response]:
    def answer() -> Response:
        action()
        return Response(204, b"")

    return answer


def _error(status: int, kind: str, message: str) -> Response:
    return json_response({"error": {"message": message, "type": kind, "code": status}}, status)


def _identifier(namespace: str) -> Identifier:
    return tuple(namespace.split(_LEVEL))
