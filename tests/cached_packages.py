"""Folders of packages that some tests need beside those of the lock: made once per user and kept in the cache.

A folder's name holds what it was made from: another Python, or other requirements, get another one.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import REPOSITORY
from tests.waiting import RUN_S

__all__ = ["locked_versions", "made_once"]


def made_once(
    name: str, python: Path, version: str, required: Sequence[str], pinned: Sequence[str] = ()
) -> Path:
    """Return a folder of packages; it is made first if it isn't there.

    Args:
        name: what it is called, in front of what it was made from.
        python: the interpreter that the packages are for.
        version: of it.
        required: requirements, as pip takes them.
        pinned: constraints on these and on what they need.

    Raises:
        AssertionError: if it can't be made; the message is pip's.
    """
    holds = "\n".join([version, *required, *pinned])
    key = hashlib.sha256(holds.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "chaosp7"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{version}-{key}"
    with _locked(cache / f".{name}.lock"):
        if not folder.exists():
            for leftover in cache.glob(f".{name}-*.making"):
                shutil.rmtree(leftover)  # of a process that was killed: the lock is ours
            making = Path(tempfile.mkdtemp(dir=cache, prefix=f".{name}-", suffix=".making"))
            try:
                _install(python, required, pinned, making)
                making.chmod(0o755)
                making.rename(folder)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return folder


def locked_versions(*but: str) -> list[str]:
    """Return the lock as constraints.

    Args:
        but: beginnings of packages' names that it doesn't hold for.
    """
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    return [line for line in lines if not re.match("|".join(map(re.escape, but)) or "$", line)]


def _install(python: Path, required: Sequence[str], pinned: Sequence[str], folder: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(pinned))
        constraints.flush()
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        options = ["--disable-pip-version-check", "--target", str(folder), "--constraint", constraints.name]
        done = subprocess.run(
            [*pip, *options, *required], capture_output=True, text=True, check=False, timeout=RUN_S
        )
    assert done.returncode == 0, f"{', '.join(required)} can't be installed for {python}:\n{done.stderr}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
