"""Consumer lag: what a group has not committed yet of what the broker holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from chaosp7.errors import ReaderError
from chaosp7.platform.kafka_patience import patiently
from chaosp7.platform.model import ConsumerGroup

__all__ = ["ConsumerLag"]

_TIMEOUT_S = 5.0

#: (topic, partition) -> offset.
Offsets: TypeAlias = Mapping[tuple[str, int], int]


class ConsumerLag:
    """Asks the broker for the lag of some groups, without joining any.

    Args:
        bootstrap: the broker's direct listener.
        groups: whose lag.
    """

    def __init__(self, bootstrap: str, groups: Iterable[ConsumerGroup]) -> None:
        self._groups = tuple(groups)
        self._bootstrap = bootstrap
        self._consumers: dict[str, Consumer] = {}

    def read(self) -> Mapping[str, int]:
        """Return group -> messages between what it has committed and the end of its topic.

        A group that has committed nothing yet lags by all that the topic holds.

        Raises:
            ReaderError: if the broker doesn't answer.
        """
        result: dict[str, int] = {}
        for group in self._groups:
            # One group may consume several topics.
            lag = sum(max(0, end - following) for _, following, end in self._asked(group))
            result[group.group] = result.get(group.group, 0) + lag
        return result

    def total(self) -> int:
        """Return the lag of all groups together.

        Raises:
            ReaderError: if the broker doesn't answer.
        """
        return sum(self.read().values())

    def ends(self) -> Offsets:
        """Return where the groups' topics end now, for `before`.

        Raises:
            ReaderError: if the broker doesn't answer.
        """
        return {
            (one.topic, one.partition): end for group in self._groups for one, _, end in self._asked(group)
        }

    def before(self, ends: Offsets) -> int:
        """Return the lag of all groups together up to some offsets: what came later is left out.

        Args:
            ends: partition -> offset; of one that isn't among them everything counts.

        Raises:
            ReaderError: if the broker doesn't answer.
        """
        return sum(
            max(0, min(end, ends.get((one.topic, one.partition), end)) - following)
            for group in self._groups
            for one, following, end in self._asked(group)
        )

    def close(self) -> None:
        """Close the connections; the next call makes new ones."""
        for consumer in self._consumers.values():
            consumer.close()
        self._consumers.clear()

    def _asked(self, group: ConsumerGroup) -> list[tuple[TopicPartition, int, int]]:
        """Return each partition with the offset that its group takes next, and its end."""
        try:
            return patiently(partial(self._ask, group))
        except KafkaException as error:
            self.close()
            raise ReaderError(f"consumer lag: {error}") from error

    def _ask(self, group: ConsumerGroup) -> list[tuple[TopicPartition, int, int]]:
        consumer = self._consumers.get(group.group)
        if consumer is None:
            # It never subscribes, so it is no member and disturbs nobody.
            consumer = self._consumers[group.group] = Consumer(
                {
                    "bootstrap.servers": self._bootstrap,
                    "group.id": group.group,
                    "enable.auto.commit": False,
                    "log_level": 2,
                }
            )
        topic = consumer.list_topics(group.topic, timeout=_TIMEOUT_S).topics[group.topic]
        if topic.error is not None:
            raise KafkaException(KafkaError(topic.error.code(), f"{group.topic}: {topic.error.str()}"))
        partitions = [TopicPartition(group.topic, partition) for partition in topic.partitions]
        found = []
        for committed in consumer.committed(partitions, timeout=_TIMEOUT_S):
            low, high = consumer.get_watermark_offsets(committed, timeout=_TIMEOUT_S)
            found.append((committed, committed.offset if committed.offset >= 0 else low, high))
        return found
