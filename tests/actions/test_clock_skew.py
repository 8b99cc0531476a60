"""A turned clock: of one service, for a while."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest

from chaosp7.actions.clock_skew import ClockSkew
from chaosp7.embedded import fake_clock, provision
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError, PlatformError
from chaosp7.safety.undo import Undo, carry_out_undo, is_undone
from tests.actions.faulty import carried_out
from tests.conftest import up
from tests.lite import HANDLER, Lite, lite_platform
from tests.waiting import ANSWER_S, PATIENCE_S

OTHER = "feed-handler-binance"
HOUR_S = 3600.0
#: Asking a service for its time may take so long.
TAKES_S = 60


@pytest.fixture(scope="module")
def adjustable(parts: provision.Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """A platform of which one handler's clock can be turned."""
    del parts  # only have to be there
    try:
        fake_clock.wrapper(Path("/"))
    except PlatformError as error:
        pytest.skip(str(error))
    model = lite_platform()
    handler = msgspec.structs.replace(model.services[HANDLER], adjustable_clock=True)
    model = msgspec.structs.replace(model, name="adjustable", services={**model.services, HANDLER: handler})
    yield from up(model, tmp_path_factory.mktemp("adjustable"))


def off_s(lite: Lite, service: str) -> float:
    """Return by how much a service's clock is off, to the second."""
    health = lite.driver.plan.service(service).health
    with urlopen(f"http://{health.host}:{health.port}{health.path}", timeout=ANSWER_S) as answer:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()


@pytest.mark.parametrize("skew_s", [HOUR_S, -HOUR_S])
def test_one_service_s_clock_is_wrong_for_as_long_as_asked(
    adjustable: Lite, tmp_path: Path, skew_s: float
) -> None:
    before = adjustable.driver.service_status(HANDLER)
    seen: list[float] = []

    def meanwhile() -> None:
        seen.extend(off_s(adjustable, service) for service in (HANDLER, OTHER))

    carried_out(ClockSkew(adjustable.driver, HANDLER, skew_s, 0.5, PATIENCE_S), tmp_path, meanwhile)
    assert abs(seen[0] - skew_s) < TAKES_S
    assert abs(seen[1]) < TAKES_S
    assert abs(off_s(adjustable, HANDLER)) < TAKES_S
    after = adjustable.driver.service_status(HANDLER)
    assert (after.pid, after.healthy) == (before.pid, True)


def test_somebody_who_puts_it_right_is_told(adjustable: Lite, tmp_path: Path) -> None:
    folder = adjustable.driver.data_folder(HANDLER)
    with pytest.raises(NotVerifiedError, match="gone before its end"):
        carried_out(
            ClockSkew(adjustable.driver, HANDLER, HOUR_S, 2, PATIENCE_S),
            tmp_path,
            lambda: fake_clock.turn(folder, 0),
        )


def test_a_clock_that_does_not_turn_is_told(
    adjustable: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_clock, "turn", lambda _folder, _by_s: None)
    with pytest.raises(NotVerifiedError, match=r"off, not \+3600"):
        carried_out(ClockSkew(adjustable.driver, HANDLER, HOUR_S, 0.1, PATIENCE_S), tmp_path)


def test_what_a_dead_runner_has_left_is_put_right(adjustable: Lite) -> None:
    undo = Undo("reset-clock", HANDLER)
    ClockSkew(adjustable.driver, HANDLER, HOUR_S, 1, 1).inject()
    assert not is_undone(undo, adjustable.driver)
    carry_out_undo(undo, adjustable.driver)
    assert is_undone(undo, adjustable.driver)


def test_a_service_that_was_started_with_the_machine_s_clock_is_refused(adjustable: Lite) -> None:
    with pytest.raises(FaultError, match="adjustable_clock"):
        ClockSkew(adjustable.driver, OTHER, HOUR_S, 1, 1)


@pytest.mark.parametrize("skew_s", [0, 1.9, -1.9, 1e9])
def test_a_skew_that_can_not_be_seen_is_refused(adjustable: Lite, skew_s: float) -> None:
    with pytest.raises(ConfigError, match="skew_s"):
        ClockSkew(adjustable.driver, HANDLER, skew_s, 1, 1)
