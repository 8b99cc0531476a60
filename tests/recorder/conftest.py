"""A connection to a real ClickHouse."""

from collections.abc import Iterator

import pytest

from chaosp7.platform.clickhouse import ClickHouse
from tests.clickhouse_process import ClickHouseProcess


@pytest.fixture(scope="module")
def clickhouse(clickhouse_process: ClickHouseProcess) -> Iterator[ClickHouse]:
    client = clickhouse_process.client()
    yield client
    client.close()
