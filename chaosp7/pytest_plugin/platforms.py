"""The platforms that a session of tests uses: each is brought up once."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from chaosp7.errors import PlatformError
from chaosp7.platform import loader
from chaosp7.platform.driver import Driver
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.model import Part, Platform
from chaosp7.safety.guard import Guard
from chaosp7.safety.heal import heal, leftovers
from chaosp7.suite.lanes import own_lane

__all__ = ["PlatformUp", "Platforms"]

logger = logging.getLogger("chaostoolkit")

#: What the watchdog calls the session; no run is called so.
_SESSION: Final = "pytest"


class PlatformUp:
    """A platform that is up.

    Attributes:
        model: what its file says.
        driver: reaches its services and links.
    """

    def __init__(self, model: Platform, driver: Driver) -> None:
        self.model = model
        self.driver = driver

    def endpoint(self, service: str) -> str:
        """Return where a service is reached past all links, ``host:port``."""
        return self.driver.endpoint(service)


class Platforms:
    """Brings platforms up for a session, and takes down in the end those that weren't up before.

    Args:
        default: name or path of the platform file of tests that name none; None: the loader's.
        root: what relative paths count from, if they aren't there from the current folder.
        own_state: whether it shares the machine with other workers of its session: then its platforms
            have a state folder of their own.
    """

    def __init__(self, default: str | None, root: Path, *, own_state: bool) -> None:
        self._default = default
        self._root = root
        self._own_state = own_state
        self._up: dict[Path, PlatformUp] = {}
        self._exits = ExitStack()

    @classmethod
    def of(cls, config: pytest.Config) -> Self:
        """Return those of a session, with its options and settings."""
        default = config.getoption("--chaosp7-platform") or config.getini("chaosp7_platform") or None
        return cls(default, config.rootpath, own_state=hasattr(config, "workerinput"))

    def up(self, name_or_path: str | None = None) -> PlatformUp:
        """Return a platform, brought up if it isn't.

        Args:
            name_or_path: of the platform file; None: the session's.

        Raises:
            ConfigError: if the file is missing or wrong.
            ChaosP7Error: if the platform doesn't come up, or isn't healthy.
        """
        path = self._find(name_or_path or self._default)
        if path not in self._up:
            self._up[path] = self._bring_up(loader.load(path))
        return self._up[path]

    def _find(self, name_or_path: str | None) -> Path:
        if name_or_path and (self._root / name_or_path).is_file():
            return self._root / name_or_path
        return loader.find(name_or_path).absolute()

    def _bring_up(self, model: Platform) -> PlatformUp:
        driver = open_driver(model)
        if driver.running():
            driver.up()  # perhaps it is only just starting
        else:
            self._exits.callback(driver.down)
            driver.up()
            # Open faults were those of a platform that is gone; this one is new.
            heal(driver, leftovers(driver), "pytest")
            exchange = model.the_service(Part.EXCHANGE)
            log = driver.state.log("watchdog")
            guard = Guard(driver.name, _SESSION, exchange, take_down=True, log=log)
            self._exits.callback(guard.release)
            guard.start()
        if down := [name for name, status in driver.status().items() if not status.healthy]:
            raise PlatformError(f"not healthy before the tests: {', '.join(down)}")
        return PlatformUp(model, driver)

    def __enter__(self) -> Self:
        if self._own_state:
            patch = self._exits.enter_context(pytest.MonkeyPatch.context())
            for name, value in self._exits.enter_context(own_lane()).items():
                patch.setenv(name, value)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()
