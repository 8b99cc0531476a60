"""The real catalog, as PyIceberg's own REST client sees it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pyarrow as pa
import pytest
import requests
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    ServiceUnavailableError,
    TableAlreadyExistsError,
)
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import LongType, NestedField

from chaosp7.embedded import lake
from chaosp7.embedded.offload import commit, files
from tests.cold import ColdTier
from tests.waiting import ANSWER_S

NAME = ("cold", "numbers")
SCHEMA = Schema(NestedField(1, "n", LongType(), required=False))


@pytest.fixture
def table(cold: ColdTier) -> Table:
    catalog = cold.open()
    catalog.create_namespace_if_not_exists("cold")
    return catalog.create_table(NAME, SCHEMA)


def prepared(cold: ColdTier, after: int, to: int) -> commit.Prepared:
    """Prepare a commit by a client of its own, on top of what is there."""
    table = cold.open().load_table(NAME)
    rows = pa.table({"n": list(range(after + 1, to + 1))})
    return commit.prepare(table, files.write(table, rows, lambda: None), after, to)


def test_of_two_commits_on_one_parent_the_second_is_refused(cold: ColdTier, table: Table) -> None:
    first, second = prepared(cold, 0, 3), prepared(cold, 0, 3)
    first.commit_transaction()
    with pytest.raises(CommitFailedException):
        second.commit_transaction()
    table.refresh()
    assert len(table.metadata.snapshots) == 1
    assert commit.committed(table.metadata) == 3
    assert sorted(table.scan().to_arrow()["n"].to_pylist()) == [1, 2, 3]


def test_of_many_commits_at_once_one_holds(cold: ColdTier, table: Table) -> None:
    for done in range(3):
        rivals = [prepared(cold, done, done + 1) for _ in range(6)]

        def attempt(rival: commit.Prepared) -> bool:
            try:
                rival.commit_transaction()
            except CommitFailedException:
                return False
            return True

        with ThreadPoolExecutor(len(rivals)) as pool:
            assert sum(pool.map(attempt, rivals)) == 1
    table.refresh()
    assert sorted(table.scan().to_arrow()["n"].to_pylist()) == [1, 2, 3]


def test_what_was_committed_survives_a_kill(cold: ColdTier, table: Table) -> None:
    prepared(cold, 0, 2).commit_transaction()
    cold.catalog.kill()
    cold.catalog.start()
    cold.until_up("catalog")
    again = cold.open().load_table(NAME)
    assert again.metadata.table_uuid == table.metadata.table_uuid
    assert commit.committed(again.metadata) == 2


def test_without_the_object_store_a_commit_has_not_happened_and_says_so(cold: ColdTier, table: Table) -> None:
    waiting = prepared(cold, 0, 1)
    cold.minio.kill()
    try:
        with pytest.raises(ServiceUnavailableError):
            waiting.commit_transaction()
    finally:
        cold.minio.start()
        cold.until_up("minio")
    table.refresh()
    assert table.current_snapshot() is None


def test_an_object_store_that_refuses_is_asked_once(cold: ColdTier, table: Table) -> None:
    asked = []

    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object, **__: object) -> None:
            pass

    cold.minio.kill()
    try:
        with HTTPServer(("127.0.0.1", cold.ports["minio"]), Refuses) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            with pytest.raises(ServiceUnavailableError):
                table.refresh()
            server.shutdown()
    finally:
        cold.minio.start()
        cold.until_up("minio")
    assert len(asked) == 1


def test_metadata_lies_in_the_warehouse_and_clients_are_told_nothing_of_it(
    cold: ColdTier, table: Table
) -> None:
    assert table.metadata_location.startswith(f"{lake.WAREHOUSE}/cold/numbers/metadata/")
    url = f"http://{cold.direct('catalog')}/v1"
    config = requests.get(f"{url}/config", timeout=ANSWER_S).json()
    assert (config["defaults"], config["overrides"]) == ({}, {})
    assert requests.get(f"{url}/namespaces/cold/tables/numbers", timeout=ANSWER_S).json()["config"] == {}


def test_namespaces_and_tables_come_and_go(cold: ColdTier, table: Table) -> None:
    catalog = cold.open()
    assert table.name() == NAME
    assert catalog.namespace_exists("cold")
    assert not catalog.namespace_exists("warm")
    assert ("cold",) in catalog.list_namespaces()
    assert catalog.list_tables("cold") == [NAME]
    assert catalog.table_exists(NAME)
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table(NAME, SCHEMA)
    with pytest.raises(NamespaceAlreadyExistsError):
        catalog.create_namespace("cold")
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace("cold")
    catalog.drop_table(NAME)
    assert not catalog.table_exists(NAME)
    with pytest.raises(NoSuchTableError):
        catalog.load_table(NAME)
    with pytest.raises(NoSuchNamespaceError):
        catalog.list_tables("warm")


@pytest.mark.parametrize("path", ["/v1/views", "/v2/config", "/v1/namespaces/cold/tables/x/plan"])
def test_what_it_has_not_is_a_404_in_the_protocols_words(cold: ColdTier, path: str) -> None:
    answer = requests.get(f"http://{cold.direct('catalog')}{path}", timeout=ANSWER_S)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == 404


def test_a_body_that_is_none_is_a_400(cold: ColdTier, table: Table) -> None:
    del table
    answer = requests.post(
        f"http://{cold.direct('catalog')}/v1/namespaces/cold/tables/numbers", data="{", timeout=ANSWER_S
    )
    assert answer.status_code == 400
