"""The properties of an Iceberg table's catalog stand for addresses and secrets."""

from pathlib import Path

import pytest

from chaosp7.errors import ConfigError, PlatformError
from chaosp7.platform.iceberg import filled_in
from chaosp7.platform.model import IcebergSource
from tests.iceberg_table import COLUMNS, IcebergTable


def endpoint(service: str) -> str:
    if service != "catalog":
        raise PlatformError(f"unknown service {service!r}")
    return "127.0.0.1:8181"


def source(**catalog: str) -> IcebergSource:
    return IcebergSource(table="cold.trades", catalog=catalog, columns=COLUMNS)


def test_a_service_stands_for_its_address_and_a_variable_for_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAKE_KEY", "secret")
    given = source(uri="http://{catalog}/rest", key="{env:LAKE_KEY}", type="rest")
    assert filled_in(given, endpoint).catalog == {
        "uri": "http://127.0.0.1:8181/rest", "key": "secret", "type": "rest",
    }  # fmt: skip


def test_a_variable_that_is_not_set_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKE_KEY", raising=False)
    with pytest.raises(ConfigError, match="LAKE_KEY"):
        filled_in(source(key="{env:LAKE_KEY}"), endpoint)


def test_a_service_that_is_not_there_is_an_error() -> None:
    with pytest.raises(PlatformError, match="minio"):
        filled_in(source(uri="http://{minio}"), endpoint)


def test_a_table_that_nobody_has_made_yet_begins_with_nothing(tmp_path: Path) -> None:
    table = IcebergTable(tmp_path)
    assert table.start().number == 0
    other = IcebergSource(table="cold.none", catalog=table.source.catalog, columns=COLUMNS)
    assert type(table.start()).of(other, endpoint).number == 0
