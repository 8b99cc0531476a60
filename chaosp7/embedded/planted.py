"""Planted bugs: what the tests of the account need to know, and nobody else.

A part of the embedded platform can be told to be wrong in one certain way, ``--planted
NAME=EXCHANGE SYMBOL``. Each part has one module of such ways, ``planted.py``, beside its honest code.
They are refused unless the environment has ``CHAOSP7_PLANTED=1``.

What a bug has really damaged it writes into a file of its service's data folder, message by message,
so that a test knows what the account must find. What ClickHouse damages by SQL is in `HITS_TABLE`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from chaosp7.account.feeds import Feed
from chaosp7.errors import ConfigError

__all__ = [
    "DAMAGED_SQL", "HITS_FILE", "HITS_TABLE", "PLANTED_ENV", "Hit", "HitLog", "Planted", "add_options",
    "allowed", "damaged", "options", "parse", "read_hits", "refuse_unknown",
]  # fmt: skip

PLANTED_ENV: Final = "CHAOSP7_PLANTED"

#: In a service's data folder.
HITS_FILE: Final = "planted.jsonl"

#: (bug, exchange, symbol, sequence)
HITS_TABLE: Final = "k2.planted"

_FIRST, _END, _EVERY = 30, 130, 5

#: `damaged` in ClickHouse.
DAMAGED_SQL: Final = f"(sequence >= {_FIRST} AND sequence < {_END} AND sequence % {_EVERY} = 0)"


def damaged(sequence: int) -> bool:
    """Tell whether a message is among the twenty that most bugs damage, of each feed's first 130."""
    return _FIRST <= sequence < _END and sequence % _EVERY == 0


class Planted(msgspec.Struct, frozen=True):
    """One bug of one service.

    Attributes:
        name: which one.
        exchange: whose messages it damages; empty: all.
        symbols: of the feeds that it damages, as the bug needs them; empty: all.
    """

    name: str
    exchange: str = ""
    symbols: tuple[str, ...] = ()

    @property
    def feed(self) -> Feed:
        """The one feed, or the first.

        Raises:
            ConfigError: if it names none.
        """
        if not self.symbols:
            raise ConfigError(f"planted {self.name} needs a feed: {self.name}=EXCHANGE SYMBOL")
        return Feed(self.exchange, self.symbols[0])


class Hit(msgspec.Struct, frozen=True):
    """One message that a bug has damaged.

    Attributes:
        bug: its name.
        exchange: of the message.
        symbol: of the message.
        sequence: of the message.
        role: what happened to it, where a bug does several things.
    """

    bug: str
    exchange: str
    symbol: str
    sequence: int
    role: str = ""

    @property
    def feed(self) -> Feed:
        """Its feed."""
        return Feed(self.exchange, self.symbol)


def allowed() -> bool:
    """Tell whether bugs may be planted."""
    return os.environ.get(PLANTED_ENV) == "1"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a part its options ``--planted`` and ``--planted-log``."""
    parser.add_argument("--planted", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--planted-log", type=Path, help=argparse.SUPPRESS)


def options(planted: Sequence[str], data: Path) -> list[str]:
    """Return these options of a service with some bugs; none without any."""
    if not planted:
        return []
    return ["--planted-log", str(data / HITS_FILE), *(f"--planted={bug}" for bug in planted)]


def parse(texts: Iterable[str]) -> tuple[Planted, ...]:
    """Read a part's option ``--planted``.

    Args:
        texts: each ``NAME``, ``NAME=EXCHANGE``, or ``NAME=EXCHANGE SYMBOL+SYMBOL``.

    Raises:
        ConfigError: if bugs may not be planted.
    """
    result = []
    for text in texts:
        if not allowed():
            raise ConfigError(f"planted {text}: bugs are for tests alone, {PLANTED_ENV}=1 is needed")
        name, _, target = text.partition("=")
        exchange, _, symbols = target.partition(" ")
        result.append(Planted(name, exchange, tuple(symbols.split("+")) if symbols else ()))
    return tuple(result)


def refuse_unknown(planted: Iterable[Planted], known: Iterable[str]) -> None:
    """See that a part has all bugs that it is to have.

    Raises:
        ConfigError: if it hasn't.
    """
    for one in planted:
        if one.name not in known:
            raise ConfigError(f"no planted {one.name!r} here; there are: {', '.join(sorted(known))}")


class HitLog:
    """Says what was damaged, before or right when it is; a SIGKILL takes nothing back.

    Args:
        path: the file; added to.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def __call__(self, bug: str, feed: Feed, sequences: Sequence[int], role: str = "") -> None:
        """Note messages of a feed."""
        lines = [
            msgspec.json.encode(Hit(bug, feed.exchange, feed.symbol, n, role)) + b"\n" for n in sequences
        ]
        os.write(self._fd, b"".join(lines))


def read_hits(path: Path) -> list[Hit]:
    """Return what a service has damaged; none if it has no such file."""
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=Hit) for line in path.read_bytes().splitlines()]
