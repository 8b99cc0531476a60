"""What becomes of this project's trades, with and without faults."""

import time

import pytest

from chaosp7.pytest_plugin import Faults, Messages
from probes.sequence import duplicated_messages, lost_messages


def test_every_trade_arrives(messages: Messages) -> None:
    account = messages.account()
    assert account.tiers["topic"].lost == 0
    assert account.lost == 0  # at the worst tier
    account.assert_delivered()  # nothing duplicated, reordered or changed either


@pytest.mark.chaosp7(settle_s=8, budget={"recovery_s": 12})
def test_a_silver_processor_that_hangs_catches_up(messages: Messages, fault: Faults) -> None:
    with messages, fault("pause", "silver-processor"):
        time.sleep(1)  # or whatever shall be done while it hangs
    # Here it is healed, the load has ended, and every message is accounted for.
    account = messages.account()
    account.assert_nothing_lost()
    account.assert_recovered_within(12)
    assert lost_messages("silver") == duplicated_messages("silver") == 0  # the probes see the same
