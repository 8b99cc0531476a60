"""Watermarks rise and never fall, in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaosp7.embedded.offload.watermarks import SqliteWatermarks, Watermarks, open_watermarks
from tests.cold import ColdTier, OffloadProcess, free_port
from tests.embedded.offload.lakehouse import Silver
from tests.process import Process
from tests.waiting import PATIENCE_S, until


def _binaries() -> Path | None:
    """Return the folder of PostgreSQL's server, which Debian keeps off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL of its own on loopback; its URL."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("there is no PostgreSQL on this machine")
    # Its server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="c7pg-") as folder:
        data, port = Path(folder, "data"), free_port()
        if user:
            shutil.chown(folder, user)
        init = [str(binaries / "initdb"), "-D", str(data), "-U", "chaosp7", "-A", "trust"]
        subprocess.run(init, check=True, capture_output=True, user=user, cwd="/", timeout=PATIENCE_S)
        command = [
            str(binaries / "postgres"),
            "-D",
            str(data),
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-k",
            folder,
        ]
        server = Process(command, Path(folder, "log"), user)
        url = f"postgresql://chaosp7@127.0.0.1:{port}/postgres"
        ready = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        until(lambda: subprocess.run(ready, check=False, capture_output=True).returncode == 0)
        yield url
        server.close()


@pytest.fixture(params=["sqlite", "postgres"])
def reopened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Watermarks]:
    """Opens the store anew at each call."""
    url = str(request.getfixturevalue("postgres")) if request.param == "postgres" else ""
    return lambda: open_watermarks(url, tmp_path)


def test_a_watermark_is_remembered_and_never_falls(
    reopened: Callable[[], Watermarks], request: pytest.FixtureRequest
) -> None:
    name = request.node.name
    assert reopened().get(name) == 0
    reopened().advance(name, 7)
    reopened().advance(name, 5)
    assert reopened().get(name) == 7
    reopened().advance(name, 1 << 40)
    assert reopened().get(name) == 1 << 40
    assert reopened().get("another") == 0


def test_of_many_at_once_the_highest_stays(
    reopened: Callable[[], Watermarks], request: pytest.FixtureRequest
) -> None:
    stores = [reopened() for _ in range(8)]
    threads = [
        threading.Thread(target=store.advance, args=(request.node.name, number))
        for number, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reopened().get(request.node.name) == 7


def test_an_offload_keeps_its_watermark_and_its_catalog_in_postgresql(
    postgres: str, cold: ColdTier, silver: Silver, tmp_path: Path
) -> None:
    options = ("--once", "--watermarks", postgres, "--property", "warehouse=s3://lake/postgres")
    options += ("--catalog", postgres.replace("postgresql:", "postgresql+psycopg:"))
    for batches in (2, 1):
        silver.put(batches=batches)
        process = OffloadProcess(cold, tmp_path, options=options)
        assert process.process.wait(PATIENCE_S) == 0, process.tail()
    assert "now at {'silver_trades': 3, 'ohlcv': 3}" in process.tail()
    assert open_watermarks(postgres, tmp_path).get("silver_trades") == 3
    assert not (tmp_path / "offload" / "watermarks.db").exists()


def test_the_default_is_a_file(tmp_path: Path) -> None:
    assert isinstance(open_watermarks("", tmp_path), SqliteWatermarks)
