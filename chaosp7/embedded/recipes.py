"""How each part of the embedded platform is made that the Python package index doesn't have.

A recipe fills a folder that is still in the making; `chaosp7.embedded.provision` puts it in its
place when it is whole.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from chaosp7.embedded import kafka
from chaosp7.embedded.go import go_install
from chaosp7.embedded.tools import Tools
from chaosp7.errors import ChaosP7Error, ProvisionError

__all__ = ["RECIPES", "Recipe", "find_java", "kafka_archive"]

_JAVA_AT_LEAST = 17


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one part is made.

    Attributes:
        name: the part.
        version: its version.
        make: fills a folder.
        finish: does in the part's final folder what depends on its path; its failure only costs
            speed.
        finished: tells whether `finish` has been done, or tried in vain.
        needs: tool -> what to install to have it.
    """

    name: str
    version: str
    make: Callable[[Path, Tools], None]
    needs: Mapping[str, str]
    finish: Callable[[Path, Tools], None] | None = None
    finished: Callable[[Path], bool] = lambda _folder: True

    def check_tools(self) -> None:
        """Raise a ProvisionError that says what to install if a tool is missing."""
        missing = {tool: package for tool, package in self.needs.items() if not _which(tool)}
        if missing:
            tools = " and ".join(f"`{tool}`" for tool in missing)
            packages = " ".join(missing.values())
            raise ProvisionError(
                f"{self.name} needs {tools}, not found on PATH: install {packages} "
                f"(Debian, Ubuntu: apt-get install {packages})"
            )


def find_java() -> Path:
    """Return the JVM that PATH or JAVA_HOME names.

    Raises:
        ProvisionError: if there is none.
    """
    java = _which("java")
    if java is None:
        raise ProvisionError(
            "kafka needs `java`, not found on PATH or in JAVA_HOME: install openjdk-17-jre-headless "
            "(Debian, Ubuntu: apt-get install openjdk-17-jre-headless)"
        )
    # The class archive belongs to one JVM: follow "java" to the one it is now.
    return java.resolve()


def _which(tool: str) -> Path | None:
    home = os.environ.get("JAVA_HOME")
    if tool == "java" and home and (Path(home) / "bin" / "java").is_file():
        return Path(home) / "bin" / "java"
    found = shutil.which(tool)
    return Path(found) if found else None


def _make_kafka(folder: Path, tools: Tools) -> None:
    java = find_java()
    _check_java(java)
    pom = folder / "pom.xml"
    pom.write_bytes(resources.files("chaosp7.embedded").joinpath("kafka_pom.xml").read_bytes())
    lib = folder / "lib"
    goal = "dependency:copy-dependencies"
    tools.run(["mvn", "-B", "-f", pom, goal, "-DincludeScope=runtime", f"-DoutputDirectory={lib}"], folder)
    properties = folder / "format.properties"
    template = folder / "template"
    # Ports don't matter here: nothing of them goes into a formatted folder.
    listener = kafka.Listener(kafka.DIRECT, 19092, 19092)
    properties.write_text(kafka.server_properties(template, [listener], 19093), encoding="utf-8")
    tools.run(
        kafka.tool_command(
            java,
            lib,
            [],
            ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAQACAAAAAAAAAAQ", "-c", str(properties)],
        ),
        folder,
    )
    properties.unlink()


def _check_java(java: Path) -> None:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    if match and int(match.group(1)) < _JAVA_AT_LEAST:
        raise ProvisionError(
            f"kafka needs Java {_JAVA_AT_LEAST} or newer, {java} is Java {match.group(1)}: "
            "install openjdk-17-jre-headless"
        )


def kafka_archive(folder: Path) -> Path:
    """Return where the class archive of a Kafka folder for the present JVM is, or would be."""
    java = find_java().stat()
    return folder / f"classes-{java.st_size:x}-{int(java.st_mtime):x}.jsa"


def _finish_kafka(folder: Path, tools: Tools) -> None:
    from chaosp7.embedded.kafka_training import train  # noqa: PLC0415  # loads the Kafka client

    archive = kafka_archive(folder)
    try:
        train(kafka.KafkaParts(find_java(), folder / "lib", folder / "template", archive), tools)
    except ChaosP7Error:
        # Not to be tried again at every start: the broker works without it.
        archive.with_suffix(".failed").touch()
        raise


def _kafka_finished(folder: Path) -> bool:
    archive = kafka_archive(folder)
    return archive.exists() or archive.with_suffix(".failed").exists()


_GO = {"go": "golang-go"}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "kafka",
            "4.3.1",
            _make_kafka,
            {"java": "openjdk-17-jre-headless", "mvn": "maven"},
            finish=_finish_kafka,
            finished=_kafka_finished,
        ),
        Recipe(
            "toxiproxy",
            "2.12.0",
            go_install(
                "github.com/Shopify/toxiproxy/v2/cmd/server",
                "v2.12.0",
                "toxiproxy-server",
                "-s -w -X github.com/Shopify/toxiproxy/v2.Version=2.12.0",
            ),
            _GO,
        ),
        Recipe(
            "versitygw",
            "1.8.0",
            go_install("github.com/versity/versitygw/cmd/versitygw", "v1.8.0", "versitygw", "-s -w"),
            _GO,
        ),
    )
}
