"""chaosp7: chaos engineering for streaming data platforms.

Recovery time per tier, and data loss message by message.
"""

__version__ = "0.1.0"

__all__ = ["__version__", "discover"]


def discover(discover_system: bool = True) -> dict[str, object]:
    """List what this package offers to Chaos Toolkit: ``chaos discover chaosp7 --no-install``.

    Args:
        discover_system: also look at the system around; there is nothing to be looked for here.

    Returns:
        Chaos Toolkit's discovery, with every action, probe and control.

    Raises:
        chaoslib.exceptions.DiscoveryFailed: if a module can't be imported.
    """
    from chaosp7.discovery import discover as walk  # noqa: PLC0415 - keeps `import chaosp7` cheap

    return walk(discover_system)
