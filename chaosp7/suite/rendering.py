"""Have a suite's reports written by `chaosp7.report`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaosp7.errors import ConfigError

__all__ = ["check_formats", "render"]


def check_formats(formats: dict[str, Path | None]) -> None:
    """Refuse formats that can't be written, before anything is run.

    Raises:
        ConfigError: if they are asked for and the reports' package isn't there.
    """
    asked = [name for name, path in formats.items() if path is not None]
    if asked and _package() is None:
        raise ConfigError(f"no report can be written as {', '.join(asked)}: chaosp7.report isn't installed")


def render(folders: Sequence[Path], html: Path, formats: dict[str, Path | None]) -> list[Path]:
    """Write the reports over runs.

    Args:
        folders: the runs'.
        html: the suite's page.
        formats: ``markdown``, ``junit`` and ``json`` to the files that were asked for.

    Returns:
        What was written.
    """
    package = _package()
    if package is None:
        return []
    runs = [package.read_run(folder) for folder in folders]
    package.write(runs, html=html, **formats)
    return [html, *(path for path in formats.values() if path is not None)]


def _package() -> Any:
    try:
        return importlib.import_module("chaosp7.report")
    except ModuleNotFoundError:
        return None
