"""The run that is open in this process, for actions and probes to find.

The evidence control opens it around an experiment, `chaosp7.measure.messages` around a test. Chaos
Toolkit hands activities no object of ours, only JSON, and runs one experiment per process: so there is
exactly one place to look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaosp7.errors import RunError

if TYPE_CHECKING:
    from chaosp7.run.run import Run

__all__ = ["close_run", "current_run", "is_open", "open_run"]

_current: Run | None = None


def open_run(run: Run) -> None:
    """Make a run the current one."""
    global _current  # noqa: PLW0603  # see the module's docstring
    _current = run


def close_run() -> None:
    """Forget the current run."""
    global _current  # noqa: PLW0603  # see the module's docstring
    _current = None


def is_open() -> bool:
    """Tell whether there is a current run."""
    return _current is not None


def current_run() -> Run:
    """Return the current run.

    Raises:
        RunError: if none is open in this process.
    """
    if _current is None:
        raise RunError(
            "no run is open: the experiment needs the control 'chaosp7.controls.evidence' "
            "(see docs/tutorial.md), a test the fixture 'messages' (see docs/pytest.md)"
        )
    return _current
