"""The newer line of Chaos Toolkit: a Python that it runs on, and a folder with it and all that chaosp7 needs.

The folder is made once per user: see `tests.cached_packages`.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cached_packages import locked_versions, made_once
from tests.chaos import REPOSITORY
from tests.waiting import PATIENCE_S

__all__ = ["NEWER_ENV", "Python", "find_python", "packages"]

#: A Python 3.12 or later, where none is found by itself.
NEWER_ENV = "CHAOSP7_NEWER_PYTHON"

LINE = ("chaostoolkit>=1.21", "chaostoolkit-lib>=1.45")
LEAST = (3, 12)


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter that has been run.

    Attributes:
        path: of its executable.
        version: as in ``3.12.1``.
    """

    path: Path
    version: str


def find_python() -> Python | None:
    """Return the oldest Python that the newer line runs on, as most packages are built for it; None without one."""
    found = [python for path in _candidates() if (python := _asked(path)) and _parts(python) >= LEAST]
    return min(found, key=_parts, default=None)


def packages(python: Python) -> Path:
    """Return the folder of packages for a Python; it is made first if it isn't there.

    Raises:
        AssertionError: if it can't be made; the message is pip's.
    """
    # Of the older line the lock holds the versions.
    return made_once("newer-line", python.path, python.version, _required(), locked_versions("chaostoolkit"))


def _required() -> list[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return [*LINE, *(one for one in project["dependencies"] if not one.startswith("chaostoolkit"))]


def _candidates() -> Iterator[Path]:
    if named := os.environ.get(NEWER_ENV):
        yield Path(named)
        return
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield from (path for path in Path(folder or ".").glob("python3.*") if _newer(path.name))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (path / "bin" / "python3" for path in pyenv.glob("versions/3.*"))


def _newer(name: str) -> bool:
    match = re.fullmatch(r"python3\.(\d+)", name)
    return match is not None and int(match[1]) >= LEAST[1]


def _asked(path: Path) -> Python | None:
    """Return what a Python says it is; None if it doesn't run, as pyenv's shim of one that isn't chosen."""
    code = "import sys, platform, venv; print(sys.executable, platform.python_version())"
    try:
        done = subprocess.run(
            [path, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_S
        )
        executable, version = done.stdout.rsplit(maxsplit=1)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Python(Path(executable), version)


def _parts(python: Python) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", python.version)[:3])
