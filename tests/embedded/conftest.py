"""A cold tier for the session, empty for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosp7.embedded import provision
from chaosp7.platform.clickhouse import ClickHouse
from tests.clickhouse_process import ClickHouseProcess
from tests.cold import ColdTier, OffloadProcess
from tests.embedded.offload.lakehouse import Silver
from tests.embedded.trades import emptied


@pytest.fixture(scope="session")
def cold_parts() -> provision.Parts:
    return provision.parts((*provision.NEEDED, *provision.COLD))


@pytest.fixture(scope="session")
def cold_tier(
    cold_parts: provision.Parts,
    clickhouse_process: ClickHouseProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ColdTier]:
    tier = ColdTier(cold_parts, tmp_path_factory.mktemp("cold"), clickhouse_process.port)
    yield tier
    tier.close()


@pytest.fixture
def cold(cold_tier: ColdTier) -> ColdTier:
    return cold_tier.emptied()


@pytest.fixture
def silver(clickhouse_process: ClickHouseProcess) -> Silver:
    return Silver(emptied(clickhouse_process))


@pytest.fixture
def clickhouse(clickhouse_process: ClickHouseProcess) -> Iterator[ClickHouse]:
    client = clickhouse_process.client()
    yield client
    client.close()


@pytest.fixture
def offload(cold: ColdTier, silver: Silver, tmp_path: Path) -> Iterator[OffloadProcess]:
    """An offload at work; nothing starts it again but the test."""
    del silver  # emptied before it looks
    process = OffloadProcess(cold, tmp_path)
    yield process
    process.close()
