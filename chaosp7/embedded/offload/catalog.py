"""The catalog as the offload reaches it: with time limits, and no retries but its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow.fs as pafs
from pyiceberg.catalog import Catalog, load_catalog

from chaosp7.platform.iceberg_catalog import TimedRestCatalog

__all__ = ["OneTry", "open_catalog"]

#: What the offload calls its catalog: PyIceberg's own configuration may add to it under this name.
NAME: Final = "cold"


class OneTry(pafs.AwsStandardS3RetryStrategy):  # type: ignore[misc]  # pyarrow has no types
    """No retries inside of the S3 client: who retries is the offload, where it is counted."""

    def __init__(self) -> None:
        super().__init__(max_attempts=1)


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
