"""A real client works with the embedded server as with any ClickHouse, and a fault leaves it right."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
import requests
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.clickhouse_process import ClickHouseProcess
from tests.waiting import ANSWER_S, until

TEXTS = [
    "",
    "it's",
    'say "x"',
    "a;b",
    "tab\there",
    "two\nlines",
    "back\\slash",
    "\\N",
    "NULL",
    "%s",
    "{x}",
    "ü中",
]


def connected(process: ClickHouseProcess, **arguments: Any) -> Client:
    return clickhouse_connect.get_client(host="127.0.0.1", port=process.port, **arguments)


def rows(client: Client, sql: str, **arguments: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(sql, **arguments).result_rows]


def metric(process: ClickHouseProcess, name: str) -> float:
    text = requests.get(f"{process.url}/metrics", timeout=ANSWER_S).text
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


@pytest.fixture
def client(clickhouse_process: ClickHouseProcess) -> Iterator[Client]:
    """A client whose database is `server`, empty."""
    clickhouse_process.run("DROP DATABASE IF EXISTS server", "CREATE DATABASE server")
    client = connected(clickhouse_process, database="server")
    yield client
    client.close()


@pytest.fixture
def own_process(tmp_path: Path) -> Iterator[ClickHouseProcess]:
    """A server that a test may kill."""
    process = ClickHouseProcess(tmp_path)
    yield process
    process.close()


def test_the_client_connects_and_learns_version_and_zone(client: Client) -> None:
    assert client.ping()
    assert str(client.server_version)[0].isdigit()
    assert rows(client, "SELECT version(), currentDatabase()") == [(client.server_version, "server")]


def test_rows_come_with_names_and_types(client: Client) -> None:
    answer = client.query(
        "SELECT number AS n, toString(number) AS s, toDecimal64(1.5, 8) AS d, NULL AS nothing, [1, 2] AS list, "
        "toDateTime64('2026-02-02 02:40:00.123', 3, 'UTC') AS t FROM numbers(3)"
    )
    assert answer.column_names == ("n", "s", "d", "nothing", "list", "t")
    moment = answer.result_rows[2][5].replace(tzinfo=UTC)
    assert tuple(answer.result_rows[2][:5]) == (2, "2", Decimal("1.5"), None, [1, 2])
    assert moment == datetime(2026, 2, 2, 2, 40, 0, 123_000, tzinfo=UTC)
    assert len(answer.result_rows) == 3


def test_an_answer_without_rows_is_no_error(client: Client) -> None:
    answer = client.query("SELECT number FROM numbers(3) WHERE number > 5")
    assert list(answer.result_rows) == []
    assert list(answer.result_columns) == []


def test_large_answers_come_whole(client: Client) -> None:
    columns = client.query("SELECT number, repeat('x', 50) FROM numbers(200000)").result_columns
    assert list(columns[0]) == list(range(200_000))
    assert set(columns[1]) == {"x" * 50}


@pytest.mark.parametrize("text", TEXTS)
def test_a_parameter_is_bound_as_it_is(client: Client, text: str) -> None:
    assert rows(client, "SELECT {v:String}, length({v:String})", parameters={"v": text}) == [
        (text, len(text.encode()))
    ]
    assert rows(client, "SELECT %(v)s", parameters={"v": text}) == [(text,)]


def test_parameters_of_many_types_are_bound(client: Client) -> None:
    values = {
        "a": ["x'y", "z;"],
        "d": date(2026, 1, 2),
        "n": None,
        "i": -(1 << 63),
        "dec": Decimal("1.12345678"),
    }
    sql = "SELECT {a:Array(String)}, {d:Date}, {n:Nullable(String)}, {i:Int64}, {dec:Decimal(18, 8)}"
    assert rows(client, sql, parameters=values) == [tuple(values.values())]


def test_settings_hold_for_their_query_alone(client: Client) -> None:
    sql = "SELECT getSetting('max_block_size')"
    usual = rows(client, sql)
    assert rows(client, sql, settings={"max_block_size": 77}) == [(77,)]
    assert rows(client, sql) == usual != [(77,)]
    with pytest.raises(DatabaseError) as caught:
        rows(client, "SELECT number FROM numbers(100)", settings={"max_result_rows": 5, "max_block_size": 10})
    assert caught.value.code == 396
    assert len(rows(client, "SELECT number FROM numbers(100)")) == 100


@pytest.mark.parametrize(
    ("compress", "by_column"), [(False, False), ("lz4", False), ("zstd", True), ("gzip", True)]
)
def test_inserted_rows_and_columns_come_back(
    clickhouse_process: ClickHouseProcess, client: Client, compress: bool | str, by_column: bool
) -> None:
    client.command("CREATE TABLE t (n UInt64, s String, d Decimal(18, 8)) ENGINE = MergeTree ORDER BY n")
    # More than one of the client's blocks: each is compressed as a frame of its own.
    count = 40_000
    numbers = list(range(count))
    texts = [TEXTS[n % len(TEXTS)] + "x" * (n % 300) for n in numbers]
    decimals = [Decimal(n) / 8 for n in numbers]
    with connected(clickhouse_process, database="server", compress=compress) as writer:
        assert (writer.write_compression or False) == compress
        columns: list[Any] = [numbers, texts, decimals]
        data = columns if by_column else list(zip(*columns, strict=True))
        writer.insert("t", data, column_names=["n", "s", "d"], column_oriented=by_column)
        result = writer.query("SELECT n, s, d FROM t ORDER BY n").result_columns
    assert [list(column) for column in result] == columns


def test_values_may_hold_what_looks_like_a_statement(client: Client) -> None:
    client.command("CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY s")
    for sql in (
        "INSERT INTO t VALUES ('FORMAT Native\n;')",
        'INSERT INTO t (s) FORMAT CSV\n"a;b"\n',
        'INSERT INTO t SETTINGS async_insert = 0 FORMAT JSONEachRow\n{"s": "; FORMAT CSV\\n"}\n',
    ):
        client.command(sql)
    expected = ["; FORMAT CSV\n", "FORMAT Native\n;", "a;b"]
    assert rows(client, "SELECT s FROM t ORDER BY s") == [(text,) for text in expected]


def test_commands_make_and_drop_tables(client: Client) -> None:
    client.command("CREATE TABLE t (n Int8) ENGINE = Memory")
    assert client.command("EXISTS TABLE t") == 1
    client.command("DROP TABLE t")
    assert client.command("EXISTS TABLE t") == 0


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", 62),
        ("SELECT * FROM missing", 60),
        ("SELECT missing", 47),
        ("SELECT throwIf(number = 90000) FROM numbers(100000)", 395),
        ("INSERT INTO missing VALUES (1)", 60),
        ("CREATE DATABASE server", 82),
        # What would stay behind for other clients, or run two statements in the lane of one.
        ("USE system", 48),
        ("SET max_block_size = 7", 48),
        ("CREATE TEMPORARY TABLE t (n Int8)", 48),
        ("INSERT INTO missing SELECT n FROM input('n Int8') FORMAT CSV\n1", 48),
        ("EXISTS TABLE a; DROP DATABASE server", 62),
    ],
)
def test_an_error_has_clickhouses_code_and_the_server_goes_on(client: Client, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError, match=f"Code: {code}"):
        client.command(sql)
    assert rows(client, "SELECT currentDatabase(), getSetting('max_block_size') != 7") == [("server", True)]


def test_what_a_failed_query_had_answered_is_in_no_later_answer(client: Client) -> None:
    for sql in ("SELECT throwIf(number = 90000) FROM numbers(100000)", "SELECT missing"):
        # As often as there are connections to the engine, and once more.
        for _ in range(4):
            with pytest.raises(DatabaseError):
                client.query(sql)
            assert rows(client, "SELECT 'clean'") == [("clean",)]


def test_a_semicolon_that_ends_nothing_is_no_second_statement(client: Client) -> None:
    for sql in (
        "SELECT ';x', 1 -- ; y\n",
        "SELECT ';x', 1; -- done",
        "SELECT `;` AS a, 1 FROM (SELECT ';x' AS `;`)",
    ):
        assert client.command(sql) == [";x", "1"]


def test_an_insert_with_a_bad_row_writes_none(client: Client) -> None:
    client.command("CREATE TABLE t (n Int8) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(DatabaseError):
        client.raw_insert("t", ["n"], b"1\n2\nnonsense\n", fmt="TSV")
    assert rows(client, "SELECT n FROM t") == []


def test_clients_with_other_settings_and_databases_do_not_mix(clickhouse_process: ClickHouseProcess) -> None:
    clickhouse_process.run(
        *(f"DROP DATABASE IF EXISTS server_{i}" for i in range(4)),
        *(f"CREATE DATABASE server_{i}" for i in range(4)),
        *(f"CREATE TABLE server_{i}.t (n UInt64) ENGINE = MergeTree ORDER BY n" for i in range(4)),
    )

    def work(i: int) -> list[tuple[Any, ...]]:
        with connected(
            clickhouse_process, database=f"server_{i}", settings={"max_block_size": 1000 + i}
        ) as client:
            seen = set()
            for n in range(10):
                client.insert("t", [(100 * i + n,)], column_names=["n"])
                seen |= set(
                    rows(
                        client,
                        "SELECT currentDatabase(), getSetting('max_block_size'), {i:UInt8}",
                        parameters={"i": i},
                    )
                )
            assert seen == {(f"server_{i}", 1000 + i, i)}
            return rows(client, "SELECT n FROM t ORDER BY n")

    with ThreadPoolExecutor(4) as pool:
        for i, found in enumerate(pool.map(work, range(4))):
            assert found == [(100 * i + n,) for n in range(10)]


def test_threads_may_share_a_client(clickhouse_process: ClickHouseProcess) -> None:
    with (
        connected(clickhouse_process, autogenerate_session_id=False) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        sql = "SELECT number + {i:UInt64} FROM numbers(1000)"
        answers = pool.map(lambda i: client.query(sql, parameters={"i": i}).result_columns[0], range(40))
        assert [list(answer) for answer in answers] == [list(range(i, i + 1000)) for i in range(40)]


def test_a_read_does_not_wait_for_a_write_nor_ping_for_either(clickhouse_process: ClickHouseProcess) -> None:
    slow = "CREATE TABLE server.slow ENGINE = Memory AS SELECT sleepEachRow(0.5) FROM numbers(12) SETTINGS max_block_size = 1"
    clickhouse_process.run("CREATE DATABASE IF NOT EXISTS server", "DROP TABLE IF EXISTS server.slow")
    writer = threading.Thread(target=clickhouse_process.run, args=(slow,))
    writer.start()
    until(lambda: metric(clickhouse_process, "clickhouse_queries_running") == 1)
    with connected(clickhouse_process) as client:
        assert rows(client, "SELECT 1") == [(1,)]
        assert client.ping()
        # All this was answered in the time of the write.
        assert metric(clickhouse_process, "clickhouse_queries_running") == 1
    writer.join()


def _request(body: bytes, *headers: str) -> bytes:
    head = ["POST /?query=INSERT+INTO+server.t+FORMAT+TSV HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(head).encode() + body


@pytest.mark.parametrize(
    "request_bytes",
    [
        _request(b"1\n2\n", "Content-Length: 1000"),
        # Cut off in a chunk, and between two: what is there is whole rows each time.
        _request(b"100\r\n1\n2\n", "Transfer-Encoding: chunked"),
        _request(b"4\r\n1\n2\n\r\n", "Transfer-Encoding: chunked"),
    ],
)
def test_an_insert_whose_client_dies_in_the_middle_writes_nothing(
    clickhouse_process: ClickHouseProcess, client: Client, request_bytes: bytes
) -> None:
    client.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    with socket.create_connection(("127.0.0.1", clickhouse_process.port)) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        # The server is done with it when it has closed its side.
        connection.settimeout(ANSWER_S)
        while connection.recv(4096):
            pass
    assert rows(client, "SELECT n FROM t") == []
    # The same request, whole, does write: it was the cut that kept the rows out.
    whole = _request(b"4\r\n1\n2\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked", "Connection: close")
    with socket.create_connection(("127.0.0.1", clickhouse_process.port)) as connection:
        connection.sendall(whole)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert rows(client, "SELECT n FROM t ORDER BY n") == [(1,), (2,)]


def test_ping_and_metrics_say_how_it_does(clickhouse_process: ClickHouseProcess, client: Client) -> None:
    assert requests.get(f"{clickhouse_process.url}/ping", timeout=ANSWER_S).text == "Ok.\n"
    names = [
        'clickhouse_queries_total{kind="read"}',
        'clickhouse_queries_total{kind="write"}',
        "clickhouse_queries_failed_total",
    ]
    before = [metric(clickhouse_process, name) for name in names]
    client.command("CREATE TABLE t (n Int8) ENGINE = Memory")
    client.query("SELECT 1")
    client.query("SELECT 2")
    with pytest.raises(DatabaseError):
        client.query("SELECT * FROM missing")
    after = [metric(clickhouse_process, name) for name in names]
    assert [a - b for a, b in zip(after, before, strict=True)] == [3, 1, 1]


def test_confirmed_rows_survive_a_kill_at_any_moment(own_process: ClickHouseProcess) -> None:
    own_process.run("CREATE DATABASE d", "CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n")
    confirmed, tried = 0, 0
    for _ in range(2):
        killer = threading.Timer(0.3, own_process.kill)
        killer.start()
        try:
            while True:
                tried += 1
                own_process.run(f"INSERT INTO d.t SELECT {tried} FROM numbers(10)")
                confirmed = tried
        except requests.RequestException:
            killer.join()
        own_process.start()
        with connected(own_process) as client:
            found = rows(client, "SELECT n, count() FROM d.t GROUP BY n ORDER BY n")
        # The one that wasn't confirmed may be there, but as a whole.
        assert found in ([(n, 10) for n in range(1, confirmed + 1)], [(n, 10) for n in range(1, tried + 1)])
        assert confirmed > 0
        own_process.run(f"ALTER TABLE d.t DELETE WHERE n > {confirmed} SETTINGS mutations_sync = 2")
        tried = confirmed


@pytest.mark.parametrize("busy", [False, True])
def test_sigterm_ends_it_in_five_seconds_with_exit_code_0(own_process: ClickHouseProcess, busy: bool) -> None:
    own_process.run(
        "CREATE DATABASE d",
        "CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n",
        "INSERT INTO d.t VALUES (7)",
    )
    idle = connected(own_process)  # keeps its connection
    if busy:
        slow = {"query": "SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1"}

        def ask() -> None:
            with pytest.raises(requests.RequestException):
                requests.get(own_process.url, params=slow, timeout=60)

        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: metric(own_process, "clickhouse_queries_running") == 1)
    own_process.process.terminate()
    assert own_process.process.wait(5) == 0
    if busy:
        asking.join()
    idle.close()
    own_process.start()
    with connected(own_process) as client:
        assert rows(client, "SELECT n FROM d.t") == [(7,)]
