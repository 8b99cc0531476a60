"""What a suite leaves: ``suite.json``, which lists its runs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chaosp7.errors import ConfigError
from chaosp7.whole_file import write_whole

__all__ = ["SUITE_FILE", "SuiteRecord", "SuiteRun", "read_suite", "write_suite"]

#: Its name, in the suite's folder.
SUITE_FILE = "suite.json"


class SuiteRun(msgspec.Struct, kw_only=True):
    """One run of a suite.

    Attributes:
        experiment: its title, or the file's name if it has none.
        file: as given.
        repetition: from 1.
        folder: the name of its folder, beside the suite's; None if it never began.
        verdict: None if it never began.
        started_at: UTC, ISO 8601.
        exit_code: of ``chaos run``; negative for a signal. Not evidence.
        lane: which of the platforms in parallel, from 1.
    """

    experiment: str
    file: str
    repetition: int
    folder: str | None = None
    verdict: str | None = None
    reasons: list[str] = []
    started_at: str | None = None
    duration_s: float | None = None
    expected_s: float | None = None
    exit_code: int | None = None
    lane: int | None = None


class SuiteRecord(msgspec.Struct, kw_only=True):
    """A suite.

    Attributes:
        verdict: the gravest of its runs; None while it goes on, or if it was killed.
    """

    schema_version: int = 1
    suite_id: str
    started_at: str
    ended_at: str | None = None
    verdict: str | None = None
    exit_code: int | None = None
    interrupted: bool = False
    parallel: int = 1
    platform: str | None = None
    runs: list[SuiteRun] = []


def write_suite(suite: SuiteRecord, folder: Path) -> None:
    """Replace the file whole.

    Raises:
        OSError: if it can't be written.
    """
    write_whole(folder / SUITE_FILE, msgspec.json.format(msgspec.json.encode(suite), indent=2) + b"\n")


def read_suite(folder: Path) -> SuiteRecord:
    """Return what a suite has left.

    Raises:
        ConfigError: if there is none.
    """
    try:
        return msgspec.json.decode((folder / SUITE_FILE).read_bytes(), type=SuiteRecord)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{folder / SUITE_FILE}: {error}") from error
