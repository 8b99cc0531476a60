"""A broker's trial run, in which the JVM writes down the classes that it needs.

With the archive the broker's next starts take less than half the time, which counts when the
broker's recovery is what is measured. The trial run also shows that the parts work.
"""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from confluent_kafka import Consumer, Producer

from chaosp7.embedded import kafka, topics
from chaosp7.embedded.tools import Tools
from chaosp7.errors import ProvisionError
from chaosp7.platform.ports import HOST

__all__ = ["train"]

_START_TIMEOUT_S = 60.0
_TOPIC = "training"
_TERMINATED = (0, 128 + signal.SIGTERM)


def train(parts: kafka.KafkaParts, tools: Tools) -> None:
    """Make the class archive of a broker.

    Args:
        parts: the broker's parts; the archive is written to where they say it is.
        tools: runs the broker.

    Raises:
        ProvisionError: if the broker doesn't start, or the JVM doesn't write the archive.
    """
    with tempfile.TemporaryDirectory(prefix="chaosp7-kafka-") as name:
        folder = Path(name)
        with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
            port, controller_port = one.getsockname()[1], other.getsockname()[1]
        listener = kafka.Listener(kafka.DIRECT, port, port)
        properties = kafka.prepare(parts.template, folder, [listener], controller_port)
        unarchived = replace(parts, archive=folder / "none")
        command = kafka.broker_command(unarchived, properties, memory_mb=384)
        written = folder / "classes.jsa"
        broker = tools.start([command[0], f"-XX:ArchiveClassesAtExit={written}", *command[1:]], folder)
        try:
            _exercise(f"{HOST}:{port}")
        finally:
            broker.terminate()
            tools.finish(broker, folder, _TERMINATED)
        if not written.exists():
            raise ProvisionError("the JVM wrote no archive of the broker's classes")
        partial = parts.archive.with_suffix(".partial")
        shutil.copyfile(written, partial)
        partial.replace(parts.archive)


def _exercise(bootstrap: str) -> None:
    """Use what the platform's clients use."""
    topics.create(bootstrap, [_TOPIC], 1, _START_TIMEOUT_S)
    quiet = {"bootstrap.servers": bootstrap, "log_level": 0}
    producer = Producer({**quiet, "enable.idempotence": True, "compression.type": "lz4"})
    producer.produce(_TOPIC, b"{}", key=b"key")
    producer.flush(10.0)
    consumer = Consumer({**quiet, "group.id": _TOPIC, "auto.offset.reset": "earliest"})
    consumer.subscribe([_TOPIC])
    deadline = time.monotonic() + 10.0
    while (message := consumer.poll(0.1)) is None and time.monotonic() < deadline:
        pass
    if message is not None and message.error() is None:
        consumer.commit(message=message, asynchronous=False)
    consumer.close()
