"""The catalog as the offload reaches it: with time limits, and no retries but its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyiceberg.catalog import Catalog, load_catalog

from chaosp7.embedded.one_try import ONE_TRY
from chaosp7.platform.iceberg_catalog import TimedRestCatalog

__all__ = ["open_catalog"]

#: What the offload calls its catalog: PyIceberg's own configuration may add to it under this name.
NAME: Final = "cold"


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """Open the catalog that PyIceberg's properties name.

    Args:
        properties: ``uri`` with ``http`` for a REST catalog, ``sqlite`` or ``postgresql`` for an SQL
            one; ``s3.*`` for the object store.
    """
    chosen = {**ONE_TRY, **properties}
    if properties.get("uri", "").startswith("http"):
        chosen["py-catalog-impl"] = f"{TimedRestCatalog.__module__}.{TimedRestCatalog.__name__}"
    return load_catalog(NAME, **chosen)
