"""The cold tier's parts as plain processes: object store, catalog, links to both, and the offload."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.table import Table

from chaosp7.embedded import lake, provision
from chaosp7.embedded.offload.catalog import open_catalog
from tests.process import Process
from tests.waiting import ANSWER_S, answers, until

__all__ = ["ColdTier", "OffloadProcess", "free_port"]

#: Toxiproxy takes whoever says Mozilla for a browser, and some clients' default agents too.
_AGENT = {"User-Agent": "tests"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _python(module: str, *options: str) -> list[str]:
    return [sys.executable, "-m", f"chaosp7.embedded.{module}", *options]


class OffloadProcess(Process):
    """The offload with a quick beat."""

    def __init__(
        self,
        cold: ColdTier,
        folder: Path,
        name: str = "offload",
        options: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.data = folder / name
        command = _python("offload", "--data-dir", str(self.data), "--http-port", str(self.port))
        command += ["--clickhouse", cold.via("clickhouse"), "--catalog", f"http://{cold.via('catalog')}"]
        command += ["--object-store", cold.via("minio"), "--cycle-s", "0.1", "--timeout-s", "2", *options]
        super().__init__(command, folder / f"{name}.log", env=env)

    def die_at(self, step: str) -> requests.Response:
        until(self.answers, said=self.tail)
        return requests.post(f"http://127.0.0.1:{self.port}/die-at", json={"step": step}, timeout=ANSWER_S)

    def answers(self) -> bool:
        return self.health() is not None

    def health(self) -> int | None:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=ANSWER_S).status_code
        except requests.RequestException:
            return None

    def metric(self, name: str) -> float:
        """Return a figure; -1 while it isn't told."""
        lines = (line for line in self.metrics().splitlines() if line.startswith(f"offload_{name} "))
        return float(next(lines, "-1").split()[-1])

    def metrics(self) -> str:
        """Return all its figures; nothing while it doesn't answer."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=ANSWER_S).text
        except requests.RequestException:
            return ""

    def tail(self) -> str:
        return self.log.read_text()[-3000:]


class ColdTier:
    """Object store, catalog, and a proxy in front of each server that the offload talks to."""

    def __init__(self, parts: provision.Parts, folder: Path, clickhouse_port: int) -> None:
        for name in ("store", "sidecar"):
            (folder / "minio" / name / lake.BUCKET).mkdir(parents=True)
        self.folder = folder
        self.ports = {"minio": free_port(), "catalog": free_port(), "clickhouse": clickhouse_port}
        gateway = [str(parts.versitygw), "--access", lake.ACCESS_KEY, "--secret", lake.SECRET_KEY]
        gateway += ["--port", f"127.0.0.1:{self.ports['minio']}", "--health", "/healthz", "--quiet", "posix"]
        gateway += ["--sidecar", str(folder / "minio" / "sidecar"), str(folder / "minio" / "store")]
        self.minio = Process(gateway, folder / "minio.log")
        self.catalog = Process(
            _python(
                "catalog", "--data-dir", str(folder / "catalog"), "--http-port", str(self.ports["catalog"]),
                "--object-store", f"127.0.0.1:{self.ports['minio']}",
            ),
            folder / "catalog.log",
        )  # fmt: skip
        toxiproxy = free_port()
        self._control = f"http://127.0.0.1:{toxiproxy}"
        self._toxiproxy = Process(
            [str(parts.toxiproxy), "-host", "127.0.0.1", "-port", str(toxiproxy)], folder / "toxiproxy.log"
        )
        self._proxies = {name: free_port() for name in self.ports}
        until(lambda: answers(f"{self._control}/version", _AGENT))
        for name, port in self._proxies.items():
            upstream = f"127.0.0.1:{self.ports[name]}"
            self._ask(
                "POST",
                "/proxies",
                {"name": name, "listen": f"127.0.0.1:{port}", "upstream": upstream, "enabled": True},
            )
        self.until_up("minio")
        self.until_up("catalog")

    def direct(self, name: str) -> str:
        """Return a server's own address."""
        return f"127.0.0.1:{self.ports[name]}"

    def via(self, name: str) -> str:
        """Return the address of the proxy in front of a server."""
        return f"127.0.0.1:{self._proxies[name]}"

    def until_up(self, name: str) -> None:
        until(lambda: answers(f"http://{self.direct(name)}/healthz", _AGENT))

    def cut(self, name: str) -> None:
        self._ask("POST", f"/proxies/{name}", {"enabled": False})

    def join(self, name: str) -> None:
        self._ask("POST", f"/proxies/{name}", {"enabled": True})

    def lose_answers(self, name: str) -> None:
        """Let requests through, and none of their answers."""
        self._ask(
            "POST",
            f"/proxies/{name}/toxics",
            {"name": "lost", "type": "limit_data", "stream": "downstream", "attributes": {"bytes": 1}},
        )

    def give_answers(self, name: str) -> None:
        self._ask("DELETE", f"/proxies/{name}/toxics/lost")

    def open(self) -> Catalog:
        """Open the catalog as a reader does, past the proxies."""
        store = lake.s3_properties(self.direct("minio"))
        return open_catalog({"uri": f"http://{self.direct('catalog')}", **store})

    def table(self, name: str) -> Table:
        return self.open().load_table(("cold", name))

    def emptied(self) -> ColdTier:
        """Take all tables away, and every fault."""
        for name in self._proxies:
            self.join(name)
        catalog = self.open()
        try:
            for identifier in catalog.list_tables("cold"):
                catalog.drop_table(identifier)
        except NoSuchNamespaceError:
            pass
        return self

    def objects(self, table: str, kind: str) -> set[str]:
        """Return the names of the objects below a table's folder."""
        folder = self.folder / "minio" / "store" / lake.BUCKET / "warehouse" / "cold" / table / kind
        return {path.name for path in folder.glob("*")}

    def close(self) -> None:
        for process in (self.catalog, self.minio, self._toxiproxy):
            process.close()

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        answer = requests.request(method, self._control + path, json=body, timeout=ANSWER_S, headers=_AGENT)
        assert answer.ok, answer.text
