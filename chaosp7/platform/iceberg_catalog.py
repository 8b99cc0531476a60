"""An Iceberg REST catalog with time limits, and the object store by the client's own way.

PyIceberg's REST client waits for ever, and lets a catalog tell it where the object store is. Who goes by a
link must go by it whatever the catalog says (a cut link has to cut), and a catalog in a container tells
addresses that only containers reach.
"""

from __future__ import annotations

from typing import Any, Final

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.io import FileIO
from pyiceberg.typedef import EMPTY_DICT, Properties
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

__all__ = ["CONNECT_TIMEOUT_S", "READ_TIMEOUT_S", "TimedRestCatalog"]

CONNECT_TIMEOUT_S: Final = "chaosp7.connect-timeout"
READ_TIMEOUT_S: Final = "chaosp7.read-timeout"


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
