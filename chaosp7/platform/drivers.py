"""Which driver a platform has."""

from __future__ import annotations

from chaosp7.embedded import plan_model
from chaosp7.embedded.state import StateDir
from chaosp7.errors import PlatformError
from chaosp7.platform.docker_driver import DockerDriver
from chaosp7.platform.driver import Driver
from chaosp7.platform.model import Platform
from chaosp7.platform.process_driver import ProcessDriver

__all__ = ["open_driver"]


def open_driver(platform: Platform | None = None, name: str | None = None) -> Driver:
    """Return the driver of a platform.

    Args:
        platform: the platform file's content; only `up` needs it.
        name: what the platform is called, if not as in its file.

    Raises:
        ConfigError: if the name can't be a folder's name.
    """
    if platform is None and name is None:
        raise TypeError("either a platform or a name is needed")
    kind = platform.driver if platform else _last_driver(name or "")
    return DockerDriver(platform, name) if kind == "docker" else ProcessDriver(platform, name)


def _last_driver(name: str) -> str:
    """Return the driver of the platform that ran last under that name."""
    try:
        return plan_model.read(StateDir.of(name)).driver
    except PlatformError:
        return "process"  # there never was one: it says so itself
