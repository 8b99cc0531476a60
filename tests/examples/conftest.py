"""The built wheel, and an environment that has it."""

from pathlib import Path

import pytest

from tests.examples.outsider import Outsider, build_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def outsider(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Outsider:
    return Outsider.install(tmp_path_factory.mktemp("outsider") / "venv", wheel)
