"""A broker that isn't ready yet is asked again; any other error is one at once."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from chaosp7.platform.kafka_patience import patiently


class Broker:
    """Answers with an error a number of times; each wait moves its clock."""

    def __init__(self, code: int, times: int) -> None:
        self.code = code
        self.left = times
        self.now_s = 0.0

    def ask(self) -> str:
        self.left -= 1
        if self.left >= 0:
            raise KafkaException(KafkaError(self.code))
        return "answer"

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s

    def patiently(self) -> str:
        return patiently(self.ask, 10.0, lambda: self.now_s, self.sleep)


def test_a_coordinator_that_is_moving_is_asked_until_it_answers() -> None:
    assert Broker(KafkaError.NOT_COORDINATOR, 5).patiently() == "answer"


def test_when_the_time_is_over_its_error_is_raised() -> None:
    broker = Broker(KafkaError.LEADER_NOT_AVAILABLE, 1000)
    with pytest.raises(KafkaException):
        broker.patiently()
    assert 10 <= broker.now_s < 11


def test_another_error_is_raised_without_a_wait() -> None:
    broker = Broker(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        broker.patiently()
    assert broker.now_s == 0
