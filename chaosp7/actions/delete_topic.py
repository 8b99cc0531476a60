"""Try to delete a raw topic, as an operator's slip would: the broker has to refuse.

Nothing is sent to a broker that would carry it out.
"""

import time
from threading import Event

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import ConfigResource as Resource  # type: ignore[attr-defined]  # not re-exported

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import Reached
from chaosp7.errors import ConfigError, FaultError, HealError, NotVerifiedError, ReaderError
from chaosp7.platform.topic_ids import UNKNOWN, topic_ids
from chaosp7.safety.undo import Undo

__all__ = ["delete_topic_refused"]

_TIMEOUT_S = 10.0
_REFUSED = "TOPIC_DELETION_DISABLED"
_SETTING = "delete.topic.enable"


class DeleteTopic:
    """The fault: somebody orders a topic's deletion.

    Args:
        on: the platform.
        exchange: whose raw topic.
    """

    kind = "delete-topic"

    def __init__(self, on: Reached, exchange: str) -> None:
        if exchange not in on.model.topics:
            known = ", ".join(on.model.topics)
            raise ConfigError(f"unknown exchange {exchange!r} in {on.model.path}; there are: {known}")
        self.target = on.model.topics[exchange]
        self._bootstrap = on.driver.bootstrap
        self._admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        self._refuse_if_it_would_be_done()
        self._before = self._identity()
        self._answer = ""

    @property
    def undo(self) -> list[Undo]:
        """Nothing is to be undone: nothing was done."""
        return []

    @property
    def max_s(self) -> float:
        """The time of its calls."""
        return 4 * _TIMEOUT_S

    def inject(self) -> None:
        """Order the deletion."""
        future = self._admin.delete_topics([self.target], request_timeout=_TIMEOUT_S)[self.target]
        try:
            future.result(_TIMEOUT_S + 1)
        except KafkaException as error:
            self._answer = error.args[0].name()

    def verify(self) -> tuple[int, str]:
        """See that the broker refused, for that reason."""
        if self._answer != _REFUSED:
            raise NotVerifiedError(f"the broker answered {self._answer or 'that it deletes it'}")
        return time.monotonic_ns(), f"deletion of {self.target} refused: {self._answer}"

    def hold(self, over: Event) -> None:
        """It is over at once."""

    def heal(self) -> None:
        """Nothing is to be undone."""

    def verify_healed(self) -> tuple[int, str]:
        """See that it is the same topic still."""
        after = self._identity()
        if after != self._before:
            raise HealError(f"{self.target} was {self._before}, is {after}")
        return time.monotonic_ns(), "the topic is the same still"

    def _refuse_if_it_would_be_done(self) -> None:
        try:
            broker = next(iter(self._admin.list_topics(timeout=_TIMEOUT_S).brokers))
            resource = Resource(Resource.Type.BROKER, str(broker))
            found = self._admin.describe_configs([resource], request_timeout=_TIMEOUT_S)[resource]
            value = found.result(_TIMEOUT_S + 1)[_SETTING].value
        except (KafkaException, KeyError, StopIteration) as error:
            raise FaultError(f"the broker doesn't tell its {_SETTING}: nothing was ordered") from error
        if value != "false":
            raise FaultError(f"the broker has {_SETTING}={value}: it would delete {self.target}")

    def _identity(self) -> str:
        """Return the topic's id, which a topic made anew wouldn't have."""
        try:
            found = topic_ids(self._bootstrap, [self.target])[self.target]
        except ReaderError as error:
            raise FaultError(str(error)) from error
        if found == UNKNOWN:
            raise FaultError("the broker gives topics no ids: nobody could see that it is the same still")
        return found


def delete_topic_refused(exchange: str) -> str:
    """Order the deletion of an exchange's raw topic; the broker has to refuse.

    Args:
        exchange: the exchange.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if the broker would delete it (nothing is ordered then), or gives another
            answer than its refusal.
    """
    return inject_fault(DeleteTopic.kind, exchange, {}, lambda run: DeleteTopic(run, exchange))
