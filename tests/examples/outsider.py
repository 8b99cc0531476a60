"""Somebody else's environment: the built wheel in a virtual environment of its own, without network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import REPOSITORY
from tests.waiting import PATIENCE_S

__all__ = ["Outsider", "build_wheel"]


@dataclass(frozen=True, slots=True)
class Outsider:
    """An environment with the wheel in it, and beside it packages that are installed elsewhere, save chaosp7."""

    folder: Path

    @classmethod
    def install(
        cls, folder: Path, wheel: Path, base: Path | None = None, beside: Path | None = None
    ) -> Outsider:
        """Make the environment.

        Args:
            folder: to be made.
            wheel: of this repository.
            base: the Python that it is of; else the one of these tests.
            beside: where the packages are; else those of these tests.
        """
        make = [str(base or sys.executable), "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(make, check=True, timeout=PATIENCE_S)
        outsider = cls(folder)
        command = [sys.executable, "-m", "pip", "--python", str(outsider.python), "install", "--quiet"]
        options = ["--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)]
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done.stderr
        # A path file's lines are paths only: the development installation's own path file isn't read.
        (outsider.site / "others.pth").write_text(f"{beside or sysconfig.get_path('purelib')}\n")
        return outsider

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        """Where its packages are."""
        (site,) = self.folder.glob("lib/python*/site-packages")
        return site

    def run(
        self,
        *arguments: str,
        cwd: Path,
        timeout_s: float = PATIENCE_S,
        before: Sequence[str] = (),
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run its interpreter; `before` goes before the command."""
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))
        }
        return subprocess.run(
            [*before, str(self.python), *arguments],
            cwd=cwd,
            env={**clean, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )


def build_wheel(folder: Path) -> Path:
    """Build this repository's wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel
