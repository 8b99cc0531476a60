"""A topic's deletion is ordered only where it is refused."""

from pathlib import Path

import pytest

from chaosp7.actions.delete_topic import DeleteTopic
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from tests.actions.faulty import carried_out
from tests.lite import Lite


def test_the_broker_refuses_and_the_topic_stays(lite: Lite, tmp_path: Path) -> None:
    record = carried_out(DeleteTopic(lite, "kraken"), tmp_path)
    assert "TOPIC_DELETION_DISABLED" in record.proof[0]
    assert record.proof[1] == "the topic is the same still"


def test_an_order_that_was_never_sent_is_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = DeleteTopic(lite, "kraken")
    monkeypatch.setattr(fault, "inject", lambda: None)
    with pytest.raises(NotVerifiedError, match="the broker answered"):
        carried_out(fault, tmp_path)


def test_nothing_is_ordered_from_a_broker_that_would_do_it(
    lite: Lite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosp7.actions.delete_topic._SETTING", "auto.leader.rebalance.enable")
    with pytest.raises(FaultError, match=r"auto\.leader\.rebalance\.enable=true: it would delete"):
        DeleteTopic(lite, "kraken")


def test_an_exchange_that_is_not_there_is_told(lite: Lite) -> None:
    with pytest.raises(ConfigError, match="unknown exchange 'nasdaq'"):
        DeleteTopic(lite, "nasdaq")
