"""Topics and addresses of a broker, seen as its clients see them.

``python -m chaosp7.embedded.topics`` is the step of a start that makes the topics: it waits for
the broker, so that it can begin before it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import click
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import OffsetSpec as Offset  # type: ignore[attr-defined]  # not re-exported
from confluent_kafka.cimpl import NewTopic

from chaosp7.errors import ChaosP7Error, PlatformError

__all__ = ["advertised", "create"]

_ALREADY_EXISTS = 36


def create(bootstrap: str, topics: Sequence[str], partitions: int, timeout_s: float = 30.0) -> None:
    """Make topics that aren't there yet; returns when each has its partitions and their leaders answer.

    Args:
        bootstrap: the broker, ``host:port``.
        topics: their names.
        partitions: how many partitions each gets.
        timeout_s: give up after so many seconds.

    Raises:
        PlatformError: if the broker can't be reached, refuses, or a topic is there with another
            number of partitions.
    """
    deadline = time.monotonic() + timeout_s
    admin = _admin(bootstrap)
    new = [NewTopic(topic, num_partitions=partitions, replication_factor=1) for topic in topics]
    for topic, future in admin.create_topics(
        new, operation_timeout=timeout_s, request_timeout=timeout_s
    ).items():
        try:
            future.result(timeout_s + 1)
        except KafkaException as error:
            if error.args[0].code() != _ALREADY_EXISTS:
                raise PlatformError(f"topic {topic} can't be created: {error.args[0].str()}") from error
    while not _all_led(admin, topics, partitions):
        if time.monotonic() > deadline:
            raise PlatformError(f"the topics' partitions have no leaders after {timeout_s:g} s")
        time.sleep(0.02)


def advertised(bootstrap: str, timeout_s: float = 5.0) -> set[str]:
    """Return the addresses, ``host:port``, where the metadata send a client that came this way.

    Args:
        bootstrap: where it came in.
        timeout_s: give up after so many seconds.

    Raises:
        PlatformError: if the broker can't be reached.
    """
    try:
        metadata = _admin(bootstrap).list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise PlatformError(f"no metadata from the broker at {bootstrap}: {error.args[0].str()}") from error
    return {f"{broker.host}:{broker.port}" for broker in metadata.brokers.values()}


def _admin(bootstrap: str) -> AdminClient:
    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": bootstrap,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 100,
        # "Connection refused" while the broker starts is what we wait out.
        "log_level": 0,
    }
    return AdminClient(settings)


def _all_led(admin: AdminClient, topics: Sequence[str], partitions: int) -> bool:
    try:
        known = admin.list_topics(timeout=2.0).topics
    except KafkaException:
        return False
    for topic in topics:
        there = known[topic].partitions if topic in known else {}
        if len(there) > partitions or (there and len(there) < partitions):
            raise PlatformError(f"topic {topic} has {len(there)} partitions, not {partitions}")
        if not there or any(partition.leader < 0 for partition in there.values()):
            return False
    return _all_answer(admin, [TopicPartition(one, number) for one in topics for number in range(partitions)])


def _all_answer(admin: AdminClient, partitions: Sequence[TopicPartition]) -> bool:
    """Return whether each partition's leader knows that it is one: the metadata say so before it does."""
    end = Offset.latest()  # type: ignore[no-untyped-call]  # it has no types
    asked = admin.list_offsets(dict.fromkeys(partitions, end), request_timeout=2.0)
    try:
        for answer in asked.values():
            answer.result()
    except KafkaException:
        return False
    return True


@click.command()
@click.option("--brokers", required=True)
@click.option("--partitions", type=int, required=True)
@click.option("--timeout-s", type=float, default=60.0)
@click.argument("topics", nargs=-1, required=True)
def _main(brokers: str, partitions: int, timeout_s: float, topics: tuple[str, ...]) -> None:
    try:
        create(brokers, topics, partitions, timeout_s)
    except ChaosP7Error as error:
        click.echo(f"topics: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    _main()
