"""Silver's and gold's increments from ClickHouse to Iceberg, exactly once.

::

    watermark -> increment from ClickHouse -> data files -> commit -> watermark

The interval that a commit covers stands in the commit itself, so the table knows how far it has
got, and a commit is refused if somebody else's came first. What the offload remembers beside that
is only where the table is known to be at least: see `chaosp7.embedded.offload.cycle`.
"""
