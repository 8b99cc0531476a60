"""The Kafka broker of the embedded platform: its files and its command line.

One node in KRaft mode is broker and controller at once. Beside the listener that the recorder
uses, every link into the broker has a listener of its own that advertises the link's proxy: a
Kafka client only bootstraps through the address it was given and then goes where the metadata
send it, so with a shared listener a cut link would cut nothing.
"""

from __future__ import annotations

import base64
import re
import shutil
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaosp7.platform.ports import HOST

__all__ = ["KafkaParts", "Listener", "broker_command", "prepare", "server_properties", "tool_command"]

DIRECT, CONTROLLER = "DIRECT", "CONTROLLER"

#: The broker's folder for temporary files, in its own.
TMP = "tmp"

_JVM = (
    # C1 code and the serial collector start fastest; one small broker needs no more.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xshare:auto",
    # An archive that doesn't fit (another JVM) only costs time.
    "-Xlog:cds=error,cds+dynamic=error:stderr",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
    # Its one INFO line is all 200 settings.
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
    "-Duser.timezone=UTC",
)

_SETTINGS = """\
# A broker that was killed is refused by the controller until its old session has ended: with the
# default of 9 s its port would open only after some 12 s.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
group.initial.rebalance.delay.ms=0
# Lets consumers choose a session short enough to be taken over from within seconds.
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.retention.ms=-1
log.retention.bytes=-1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# Nobody's slip deletes a tier.
delete.topic.enable=false
num.network.threads=2
num.io.threads=4
background.threads=2
group.coordinator.threads=1
num.recovery.threads.per.data.dir=2
# The default of 128 MiB is a third of the heap.
log.cleaner.dedupe.buffer.size=8388608
"""


@dataclass(frozen=True, slots=True)
class KafkaParts:
    """What provisioning made for the broker.

    Attributes:
        java: the JVM.
        lib: the folder of jars.
        template: a formatted data folder to copy, so that a start needs no second JVM before it.
        archive: the JVM's archive of the broker's classes; halves the start-up time. It need
            not exist.
    """

    java: Path
    lib: Path
    template: Path
    archive: Path


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of the broker.

    Attributes:
        name: what it is for: a link's name, or `DIRECT`.
        port: where the broker listens.
        advertised_port: where the metadata send the clients that came by this listener.
        host: the broker's address.
        advertised_host: the address that goes with `advertised_port`.
    """

    name: str
    port: int
    advertised_port: int
    host: str = HOST
    advertised_host: str = HOST


def server_properties(data: Path, listeners: Sequence[Listener], controller_port: int) -> str:
    """Return the broker's configuration file.

    Args:
        data: its data folder.
        listeners: where it listens; the first one is also its own way to itself.
        controller_port: where its controller listens.
    """
    names = [_listener_name(index, listener.name) for index, listener in enumerate(listeners)]
    binds = [f"{name}://{entry.host}:{entry.port}" for name, entry in zip(names, listeners, strict=True)]
    adverts = [
        f"{name}://{entry.advertised_host}:{entry.advertised_port}"
        for name, entry in zip(names, listeners, strict=True)
    ]
    protocols = [f"{name}:PLAINTEXT" for name in [*names, CONTROLLER]]
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@{HOST}:{controller_port}",
            f"listeners={','.join([*binds, f'{CONTROLLER}://{HOST}:{controller_port}'])}",
            f"advertised.listeners={','.join(adverts)}",
            f"listener.security.protocol.map={','.join(protocols)}",
            f"controller.listener.names={CONTROLLER}",
            f"inter.broker.listener.name={names[0]}",
            f"log.dirs={data}",
            _SETTINGS,
        ]
    )


def prepare(template: Path, folder: Path, listeners: Sequence[Listener], controller_port: int) -> Path:
    """Write the broker's configuration, and its formatted data folder if there is none yet.

    Args:
        template: a formatted data folder.
        folder: where all of the broker's files go.
        listeners: as in `server_properties`.
        controller_port: likewise.

    Returns:
        The configuration file.
    """
    (folder / TMP).mkdir(parents=True, exist_ok=True)
    data = folder / "log"
    if not data.exists():
        partial = folder / "log.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(template, partial)
        _make_unique(partial / "meta.properties")
        partial.rename(data)
    properties = folder / "server.properties"
    properties.write_text(server_properties(data, listeners, controller_port), encoding="utf-8")
    return properties


def broker_command(kafka: KafkaParts, properties: Path, memory_mb: int) -> list[str]:
    """Return the command that runs the broker.

    Args:
        kafka: its parts.
        properties: its configuration file.
        memory_mb: the heap's limit, MiB.
    """
    # lz4's and the JVM's own files; a broker that is killed would leave them in the machine's folder.
    options = [f"-Xmx{memory_mb}m", f"-Djava.io.tmpdir={properties.parent / TMP}"]
    if kafka.archive.exists():
        options.append(f"-XX:SharedArchiveFile={kafka.archive}")
    return tool_command(kafka.java, kafka.lib, options, ["kafka.Kafka", str(properties)])


def tool_command(java: Path, lib: Path, options: Iterable[str], arguments: Iterable[str]) -> list[str]:
    """Return the command that runs a main class out of the jars.

    Args:
        java: the JVM.
        lib: the folder of jars.
        options: further options of the JVM.
        arguments: the main class and its arguments.
    """
    # By name and sorted: a class archive only fits the class path it was made with, and the
    # order that a wildcard gives is the file system's.
    classpath = ":".join(str(jar) for jar in sorted(lib.glob("*.jar")))
    return [str(java), *_JVM, *options, "-cp", classpath, *arguments]


def _make_unique(meta: Path) -> None:
    """Give a copied data folder ids of its own, so that no client takes one broker for another."""
    text = meta.read_text(encoding="utf-8")
    for key in ("cluster.id", "directory.id"):
        text, count = re.subn(rf"(?m)^{re.escape(key)}=.*$", f"{key}={_kafka_uuid()}", text)
        assert count == 1, f"{meta} has no {key}"  # noqa: S101
    meta.write_text(text, encoding="utf-8")


def _kafka_uuid() -> str:
    """Return a UUID as Kafka writes it: 22 characters, never beginning with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text


def _listener_name(index: int, name: str) -> str:
    return DIRECT if name == DIRECT else f"LINK_{index}_" + re.sub(r"[^A-Z0-9]+", "_", name.upper())
