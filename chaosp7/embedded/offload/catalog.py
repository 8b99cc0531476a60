"""The catalog as the offload reaches it: with time limits, and the object store by its own way.

PyIceberg's REST client waits for ever, and lets a catalog tell it where the object store is. An
offload that goes by a link must go by it whatever the catalog says: a cut link has to cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow.fs as pafs
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.io import FileIO
from pyiceberg.typedef import EMPTY_DICT, Properties
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

__all__ = ["OneTry", "TimedRestCatalog", "open_catalog"]

#: What the offload calls its catalog: PyIceberg's own configuration may add to it under this name.
NAME: Final = "cold"

CONNECT_TIMEOUT_S: Final = "chaosp7.connect-timeout"
READ_TIMEOUT_S: Final = "chaosp7.read-timeout"


class OneTry(pafs.AwsStandardS3RetryStrategy):  # type: ignore[misc]  # pyarrow has no types
    """No retries inside of the S3 client: who retries is the offload, where it is counted."""

    def __init__(self) -> None:
        super().__init__(max_attempts=1)


class TimedRestCatalog(RestCatalog):
    """A REST catalog with time limits, whose client alone says how the object store is reached.

    Args:
        name: as PyIceberg wants it.
        properties: PyIceberg's, and the limits in seconds.
    """

    def __init__(self, name: str, **properties: str) -> None:
        self._timeout_s = (
            float(properties.get(CONNECT_TIMEOUT_S, "1")),
            float(properties.get(READ_TIMEOUT_S, "5")),
        )
        self._own = {key: value for key, value in properties.items() if key.startswith("s3.")}
        super().__init__(name, **properties)

    def _create_session(self) -> Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _TimedAdapter(self._timeout_s))
        return session

    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        return super()._load_file_io({**properties, **self._own}, location)


class _TimedAdapter(HTTPAdapter):
    def __init__(self, timeout_s: tuple[float, float]) -> None:
        self._timeout_s = timeout_s
        super().__init__()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout_s
        return super().send(request, *args, **kwargs)


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """Open the catalog that PyIceberg's properties name.

    Args:
        properties: ``uri`` with ``http`` for a REST catalog, ``sqlite`` or ``postgresql`` for an SQL
            one; ``s3.*`` for the object store.
    """
    chosen = {"s3.retry-strategy-impl": f"{OneTry.__module__}.{OneTry.__name__}", **properties}
    if properties.get("uri", "").startswith("http"):
        chosen["py-catalog-impl"] = f"{TimedRestCatalog.__module__}.{TimedRestCatalog.__name__}"
    return load_catalog(NAME, **chosen)
