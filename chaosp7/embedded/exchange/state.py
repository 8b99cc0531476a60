"""The sequences: they go on over the platform's life, whoever is killed when.

``sequences.json`` holds the next sequence per feed and, while a load runs, its ledger. The file
is written before the load's first message; if the exchange dies, the ledger says how far it came.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Ledger
from chaosp7.errors import LedgerError, PlatformError

__all__ = ["Sequences"]

FIRST_SEQUENCE: Final = 1


class _State(msgspec.Struct):
    next: dict[str, int]
    ledger: str | None


class Sequences:
    """The next sequence of each feed, kept in a directory that one process may use at a time.

    Args:
        directory: created if it isn't there.

    Raises:
        PlatformError: another exchange uses the directory, or its file can't be read or written.
        LedgerError: the exchange was killed during a load whose ledger can't be read: going on
            could use sequences twice, so it doesn't start.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "sequences.json"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock_fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock_fd)
            raise PlatformError(f"another exchange uses {directory}") from None
        except OSError as error:
            raise PlatformError(f"{directory} can't be used: {error.strerror}") from error
        try:
            self._next = self._load()
        except BaseException:
            os.close(self._lock_fd)
            raise

    def next_of(self, feeds: Sequence[Feed]) -> tuple[int, ...]:
        """Return the next sequence of each feed."""
        return tuple(self._next.get(str(feed), FIRST_SEQUENCE) for feed in feeds)

    def begin(self, ledger: Path) -> None:
        """Note, durably, that a load's sequences are in a ledger from now on.

        Raises:
            PlatformError: it can't be written; the load must not send anything.
        """
        self._save(ledger)

    def end(self, following: Mapping[Feed, int]) -> None:
        """Note, durably, the sequences after a load.

        Args:
            following: the next sequence of each feed; valid in this process whatever happens.

        Raises:
            PlatformError: it can't be written; a restart will ask the ledger.
        """
        self._next |= {str(feed): number for feed, number in following.items()}
        self._save(None)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._lock_fd)

    def _load(self) -> dict[str, int]:
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=_State)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise PlatformError(f"{self._path} can't be read: {error.strerror}") from error
        except msgspec.DecodeError as error:
            raise PlatformError(f"{self._path} is damaged: {error}") from error
        if state.ledger is not None:
            self._next = state.next | _recovered(Path(state.ledger), state.next)
            self._save(None)
            return self._next
        return state.next

    def _save(self, ledger: Path | None) -> None:
        state = _State(self._next, None if ledger is None else str(ledger))
        draft = self._path.with_suffix(".tmp")
        try:
            with draft.open("wb") as file:
                file.write(msgspec.json.encode(state))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise PlatformError(f"{self._path} can't be written: {error.strerror}") from error


def _recovered(path: Path, known: Mapping[str, int]) -> dict[str, int]:
    ledger = Ledger.open(path, allow_unclosed=True)
    for feed, first in ledger.first.items():
        if first != known.get(str(feed), FIRST_SEQUENCE):
            raise LedgerError(f"{path} begins at {first} of {feed}, not at {known.get(str(feed))}")
    return {str(feed): last + 1 for feed, last in ledger.last.items()}
