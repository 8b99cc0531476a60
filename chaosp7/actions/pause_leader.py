"""Pause the broker that leads a topic's partition: its clients wait for a leader that doesn't answer."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import Reached
from chaosp7.actions.pause import Pause
from chaosp7.errors import ConfigError, FaultError
from chaosp7.platform.model import Part

__all__ = ["pause_leader"]

_TIMEOUT_S = 5.0


class PauseLeader(Pause):
    """The fault: the broker that leads a partition hangs.

    Args:
        on: the platform.
        exchange: whose raw topic.
        partition: of the topic.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "pause-leader"

    def __init__(
        self, on: Reached, exchange: str, partition: int, duration_s: float, healthy_within_s: float
    ) -> None:
        if exchange not in on.model.topics:
            known = ", ".join(on.model.topics)
            raise ConfigError(f"unknown exchange {exchange!r} in {on.model.path}; there are: {known}")
        service = _leader(on, on.model.topics[exchange], partition)
        super().__init__(on.driver, service, duration_s, healthy_within_s)


def _leader(on: Reached, topic: str, partition: int) -> str:
    """Return the service that leads a partition now.

    Raises:
        FaultError: if the broker doesn't tell, or no service listens where it says.
    """
    quiet: dict[str, str | int | float | bool] = {"bootstrap.servers": on.driver.bootstrap, "log_level": 0}
    try:
        cluster = AdminClient(quiet).list_topics(topic, timeout=_TIMEOUT_S)
    except KafkaException as error:
        raise FaultError(f"the leader of {topic} can't be asked for: {error.args[0].str()}") from error
    partitions = cluster.topics[topic].partitions
    if partition not in partitions:
        raise FaultError(f"topic {topic} has {len(partitions)} partitions: no partition {partition}")
    broker = cluster.brokers.get(partitions[partition].leader)
    if broker is None:
        raise FaultError(f"partition {partition} of {topic} has no leader")
    address = f"{broker.host}:{broker.port}"
    brokers = on.model.services_of(Part.KAFKA)
    for service in brokers:
        # One broker leads everything, by whatever name it calls itself.
        if len(brokers) == 1 or on.driver.endpoint(service) == address:
            return service
    raise FaultError(f"the leader of {topic} at {address} is no service of {on.model.path}")


def pause_leader(
    exchange: str, partition: int = 0, duration_s: float = 10.0, healthy_within_s: float = 60.0
) -> str:
    """Pause the broker that leads a partition of an exchange's raw topic.

    Where there is one broker, that is the same as pausing it.

    Args:
        exchange: the exchange.
        partition: of its topic.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        PauseLeader.kind,
        f"{exchange}/{partition}",
        {"duration_s": duration_s},
        lambda run: PauseLeader(run, exchange, partition, duration_s, healthy_within_s),
    )
