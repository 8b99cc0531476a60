"""Fixtures for what runs in containers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosp7.embedded import provision
from chaosp7.platform.loader import load
from tests.conftest import up
from tests.docker.daemon import Daemon, why_not
from tests.lite import Lite, lite_platform


@pytest.fixture(scope="session")
def daemon(parts: provision.Parts) -> Iterator[Daemon]:
    """A Docker daemon; `DOCKER_HOST` points to it."""
    del parts  # only have to be there
    if reason := why_not():
        pytest.skip(reason)
    # Not in pytest's own folder: a socket's path is short, and so is that of a container's mount.
    with tempfile.TemporaryDirectory(prefix="c7d-") as folder, pytest.MonkeyPatch.context() as patch:
        daemon = Daemon(Path(folder))
        daemon.start()
        patch.setenv("DOCKER_HOST", daemon.url)
        yield daemon
        daemon.stop()


@pytest.fixture(scope="module")
def docker_lite(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """A platform up to the broker in containers, for a module. A test leaves it as whole as it was."""
    del daemon
    yield from up(lite_platform("docker"), tmp_path_factory.mktemp("docker-lite"))


@pytest.fixture(scope="module")
def docker_embedded(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """The shipped platform in containers, for a module. A test leaves it as whole as it was."""
    del daemon
    yield from up(load("embedded-docker"), tmp_path_factory.mktemp("docker"))
