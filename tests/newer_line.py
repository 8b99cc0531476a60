"""The newer line of Chaos Toolkit: a Python that it runs on, and a folder with it and all that chaosp7 needs.

The folder is made once per user and kept in the cache, beside the platform's parts. Its name holds what it was
made from: another Python, or other requirements, get another one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import REPOSITORY

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
    required, pinned = _required(), _pinned()
    holds = "\n".join([python.version, *required, *pinned])
    key = hashlib.sha256(holds.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "chaosp7"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"newer-line-{python.version}-{key}"
    with _locked(cache / ".newer-line.lock"):
        if not folder.exists():
            for leftover in cache.glob(".newer-line-*.making"):
                shutil.rmtree(leftover)  # of a process that was killed: the lock is ours
            making = Path(tempfile.mkdtemp(dir=cache, prefix=".newer-line-", suffix=".making"))
            try:
                _install(python, required, pinned, making)
                making.chmod(0o755)
                making.rename(folder)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return folder


def _install(python: Python, required: list[str], pinned: list[str], folder: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(pinned))
        constraints.flush()
        pip = [sys.executable, "-m", "pip", "--python", str(python.path), "install", "--quiet"]
        options = ["--disable-pip-version-check", "--target", str(folder), "--constraint", constraints.name]
        done = subprocess.run(
            [*pip, *options, *required], capture_output=True, text=True, check=False, timeout=240
        )
    assert done.returncode == 0, f"the newer line can't be installed for {python.path}:\n{done.stderr}"


def _required() -> list[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return [*LINE, *(one for one in project["dependencies"] if not one.startswith("chaostoolkit"))]


def _pinned() -> list[str]:
    """Return the lock but for the older line, whose own versions it holds."""
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    return [line for line in lines if not line.startswith("chaostoolkit")]


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
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=True, timeout=30)
        executable, version = done.stdout.rsplit(maxsplit=1)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Python(Path(executable), version)


def _parts(python: Python) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", python.version)[:3])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
