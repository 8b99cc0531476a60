"""The example as an outsider runs it, with the wheel: what passes, what fails by name, what is interrupted."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaosp7.embedded import provision
from chaosp7.platform.drivers import open_driver
from chaosp7.run import evidence as ev
from chaosp7.safety.heal import ledger_of
from tests.chaos import HEARS_CTRL_C, unhurried
from tests.examples.outsider import Outsider
from tests.examples.test_wheel import EXAMPLE
from tests.waiting import RUN_S

pytestmark = [pytest.mark.alone, pytest.mark.soak]

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Session:
    """What a session of the example's tests left behind.

    Attributes:
        said: on its terminal.
        found: test -> its evidence.
    """

    said: str
    found: dict[str, ev.Evidence]


@pytest.fixture(scope="module")
def session(outsider: Outsider, parts: provision.Parts, tmp_path_factory: pytest.TempPathFactory) -> Session:
    del parts
    folder = tmp_path_factory.mktemp("example")
    example = Path(shutil.copytree(EXAMPLE, folder / "example"))
    shutil.copy(HERE / "planting.py", example)
    shutil.copy(HERE / "interrupted.py", example / "tests" / "test_zz_interrupted.py")
    done = outsider.run(
        *("-m", "pytest", "-p", "planting", "-p", "no:cacheprovider", "--durations=0"),
        *("-o", f"chaosp7_platform={unhurried(folder)}"),
        before=HEARS_CTRL_C,
        cwd=example,
        timeout_s=RUN_S,
        CHAOSP7_STATE_DIR=str(folder / "state"),
        PYTHONPATH=str(example),
    )
    said = done.stdout + done.stderr
    found = {
        path.parent.name.partition(".test_")[2]: ev.read(path)
        for path in (example / "reports").glob("*/evidence.json")
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAOSP7_STATE_DIR", str(folder / "state"))
        driver = open_driver(name="embedded")
        assert not driver.running(), said  # it was taken down after all of that
        assert ledger_of(driver).open_faults() == []
    return Session(said, found)


def test_a_loss_fails_the_example_by_name_and_says_where_the_report_is(session: Session) -> None:
    evidence = session.found["every_trade_arrives"]
    assert evidence.verdict == "deviated", session.said
    assert evidence.reasons[-1].startswith("the test failed: AssertionError")
    (lost,) = next(tier for tier in evidence.tiers if tier.tier == "silver").ranges
    assert lost.last - lost.first == 6
    assert re.search(
        rf"7 of {evidence.load.messages if evidence.load else 0:,} lost at silver: "
        rf"binance BTC/USDT {lost.first}-{lost.last}, sent \d\d:\d\d:\d\d\.\d{{3}}-(\d\d:\d\d:\d\d)?\.\d{{3}} UTC, "
        "first missing at silver; acknowledged by the broker",
        session.said,
    ), session.said
    (report,) = (Path(path) for path in re.findall(r"^report: (.+)$", session.said, re.MULTILINE))
    assert report.parent.name == evidence.run_id
    assert report.read_text().startswith("<!doctype html>")


def test_the_example_passes_where_nothing_is_lost(session: Session) -> None:
    evidence = session.found["a_silver_processor_that_hangs_catches_up"]
    assert evidence.verdict == "passed", session.said
    (fault,) = evidence.faults
    assert (fault.kind, fault.target, fault.lasted) == ("pause", "silver-processor", True)
    assert None not in {fault.verified_start_ns, fault.verified_end_ns}
    assert {tier.lost for tier in evidence.tiers} == {0}
    assert "1 failed, 1 passed" in session.said


def test_an_interrupted_test_heals_and_leaves_its_evidence(session: Session) -> None:
    assert "KeyboardInterrupt" in session.said
    evidence = session.found["that_is_interrupted_in_a_fault"]
    assert evidence.verdict == "interrupted", evidence.reasons
    (fault,) = evidence.faults
    assert None not in {fault.verified_start_ns, fault.verified_end_ns}
