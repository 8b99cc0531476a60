"""What all parts of the embedded cold tier agree on: bucket, keys, and how PyIceberg reaches them.

Nothing of PyIceberg is imported here: a platform without a cold tier needs none of it.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ACCESS_KEY", "BUCKET", "REGION", "SECRET_KEY", "WAREHOUSE", "s3_properties"]

BUCKET: Final = "lake"
WAREHOUSE: Final = f"s3://{BUCKET}/warehouse"
REGION: Final = "us-east-1"

# The object store listens on loopback alone: the keys keep nobody out, S3 just has none without.
ACCESS_KEY: Final = "chaosp7"
SECRET_KEY: Final = "chaosp7-lake"  # noqa: S105


def s3_properties(
    address: str, connect_timeout_s: float = 1.0, request_timeout_s: float = 5.0
) -> dict[str, str]:
    """Return PyIceberg's properties for the embedded object store.

    Args:
        address: of the store, or of a link's proxy to it, ``host:port``.
        connect_timeout_s: limit for each connection, seconds.
        request_timeout_s: limit for each wait of a request, seconds.
    """
    return {
        "s3.endpoint": f"http://{address}",
        "s3.access-key-id": ACCESS_KEY,
        "s3.secret-access-key": SECRET_KEY,
        "s3.region": REGION,
        "s3.connect-timeout": str(connect_timeout_s),
        "s3.request-timeout": str(request_timeout_s),
    }
