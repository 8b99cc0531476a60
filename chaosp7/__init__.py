"""chaosp7: chaos engineering for streaming data platforms.

Recovery time per tier, and data loss message by message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaoslib.types import Discovery

__version__ = "0.1.0"

__all__ = ["__version__", "discover"]


def discover(discover_system: bool = True) -> Discovery:
    """List what this package offers to Chaos Toolkit: ``chaos discover chaosp7``.

    Args:
        discover_system: also look at the system around; nothing is looked for here.

    Returns:
        Chaos Toolkit's discovery, with every action, probe and control.
    """
    from chaosp7.discovery import discover as _discover  # keeps `import chaosp7` free of chaoslib

    return _discover(discover_system)
