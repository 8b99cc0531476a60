"""Which topic it is: one that was deleted and made anew has its name, and another id."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from chaosp7.errors import ReaderError
from chaosp7.platform.kafka_patience import patiently

__all__ = ["UNKNOWN", "topic_ids"]

#: The id of a topic whose broker gives none.
UNKNOWN: Final = ""

_TIMEOUT_S: Final = 10.0
_TOO_OLD: Final = frozenset((KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION))  # noqa: SLF001  # its public name
#: What Kafka's protocol has in the place of an id that isn't there: sixteen bytes of nothing.
_NONE: Final = "AAAAAAAAAAAAAAAAAAAAAA"


def topic_ids(bootstrap: str, topics: Collection[str]) -> dict[str, str]:
    """Return topic -> its id; `UNKNOWN` where the broker is too old to have any.

    Args:
        bootstrap: the broker's direct listener.
        topics: their names.

    Raises:
        ReaderError: if the broker doesn't answer, or a topic isn't there.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def ask() -> dict[str, str]:
        futures = admin.describe_topics(TopicCollection(list(topics)), request_timeout=_TIMEOUT_S)
        return {topic: str(future.result(_TIMEOUT_S + 1).topic_id) for topic, future in futures.items()}

    try:
        found = patiently(ask)
    except TimeoutError as error:
        raise ReaderError("topics can't be described: the broker doesn't answer") from error
    except KafkaException as error:
        if error.args[0].code() in _TOO_OLD:
            return dict.fromkeys(topics, UNKNOWN)
        raise ReaderError(f"topics can't be described: {error.args[0].str()}") from error
    return {topic: UNKNOWN if one == _NONE else one for topic, one in found.items()}
