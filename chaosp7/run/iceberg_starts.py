"""Where the Iceberg tiers of a platform begin when a run does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chaosp7.errors import ConfigError
from chaosp7.platform.model import Platform

if TYPE_CHECKING:
    from chaosp7.platform.iceberg import IcebergStart

__all__ = ["iceberg_starts"]


def iceberg_starts(platform: Platform, endpoint: Callable[[str], str]) -> dict[str, IcebergStart]:
    """Look where the Iceberg tiers begin.

    Args:
        platform: the system under test.
        endpoint: service -> where this machine reaches it, past all links.

    Returns:
        Tier -> its start.

    Raises:
        ConfigError: if PyIceberg isn't installed, or a table isn't described rightly.
        ReaderError: if a catalog or table can't be read.
    """
    sources = {name: tier.iceberg for name, tier in platform.tiers.items() if tier.iceberg is not None}
    if not sources:
        return {}
    try:
        # An extra, and it takes a second to load.
        from chaosp7.platform.iceberg import IcebergStart  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"{platform.path}: a tier of kind iceberg needs PyIceberg: pip install 'chaosp7[iceberg]' "
            f"({error})"
        ) from error
    return {name: IcebergStart.of(source, endpoint) for name, source in sources.items()}
