"""What the exchange can be told to send beside the usual; see `chaosp7.embedded.planted`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from chaosp7.account.feeds import Feed
from chaosp7.embedded.exchange.formats import Answer, Format, format_of
from chaosp7.embedded.planted import Planted, damaged, refuse_unknown

__all__ = ["BUGS", "formats"]

BUGS: Final = ("sends-empty-field",)
_ORDER_TYPE: Final = re.compile(rb'(?<="[bs]",)"[lm]"')


class _EmptyField:
    """Kraken's protocol, with messages of one feed that have no order type."""

    def __init__(self, honest: Format, feed: int) -> None:
        self.numbered = honest.numbered
        self._honest = honest
        self._feed = feed

    def greeting(self) -> Answer:
        return self._honest.greeting()

    def answer(self, data: str | bytes) -> Answer:
        return self._honest.answer(data)

    def trade(
        self, feed: int, sequence: int, price_cents: int, quantity_micro: int, side: int, time_ms: int
    ) -> bytes:
        message = self._honest.trade(feed, sequence, price_cents, quantity_micro, side, time_ms)
        if feed == self._feed and damaged(sequence):
            message = _ORDER_TYPE.sub(b'""', message)
        return message


def formats(planted: Sequence[Planted]) -> Callable[[str, Sequence[Feed]], Format]:
    """Return what gives an exchange's protocol.

    Args:
        planted: what is to be sent.

    Raises:
        ConfigError: if there is no such thing.
    """
    refuse_unknown(planted, BUGS)
    wanted = {one.exchange: one.feed for one in planted}

    def planted_format_of(exchange: str, feeds: Sequence[Feed]) -> Format:
        honest = format_of(exchange, feeds)
        return _EmptyField(honest, feeds.index(wanted[exchange])) if exchange in wanted else honest

    return planted_format_of
