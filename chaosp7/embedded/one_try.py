"""An S3 client that doesn't retry: an outage of the object store is told at once.

Who retries is the offload, where it is counted. A catalog that tried again on its own would hold each of
the offload's tries up for seconds.
"""

from __future__ import annotations

from typing import Final

import pyarrow.fs as pafs

__all__ = ["ONE_TRY", "OneTry"]


class OneTry(pafs.AwsStandardS3RetryStrategy):  # type: ignore[misc]  # pyarrow has no types
    """One attempt, and no other."""

    def __init__(self) -> None:
        super().__init__(max_attempts=1)


#: The property that has PyIceberg use it.
ONE_TRY: Final = {"s3.retry-strategy-impl": f"{OneTry.__module__}.{OneTry.__name__}"}
