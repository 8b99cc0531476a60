"""What has no network of its own can't be taken off it; containers are tested in tests/docker."""

import pytest

from chaosp7.actions.isolate import Isolate
from chaosp7.errors import FaultError, PlatformError
from tests.lite import HANDLER, Lite


def test_a_process_is_refused_before_anything_is_touched(lite: Lite) -> None:
    with pytest.raises(FaultError, match="shares this machine's network"):
        Isolate(lite.driver, HANDLER, 1, 1)
    with pytest.raises(PlatformError, match="nobody"):
        Isolate(lite.driver, "nobody", 1, 1)
