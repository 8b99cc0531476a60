"""What nobody has looked at never counts as good; whole runs are in tests/examples."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.synthetic_evidence import evidence
from chaosp7.errors import MeasurementError, RunError
from chaosp7.measure.messages import Messages, measured
from chaosp7.platform.loader import load
from chaosp7.run.current import close_run, current_run, is_open, open_run
from chaosp7.run.evidence import Budget
from chaosp7.run.plan import RunPlan
from chaosp7.run.run import Run
from tests.chaos import PLATFORM
from tests.measure.test_losses import FEEDS, accounts

LOST = {(FEEDS[0], 3), (FEEDS[0], 4)}


@pytest.fixture
def unbegun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Messages]:
    """Messages of a run that hasn't begun: it knows nothing."""
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    run = Run(load(PLATFORM), RunPlan("unbegun", 100, 1, 1, 7, Budget(), 10, 0, tmp_path))
    run.folder = tmp_path / "run"
    run.folder.mkdir()
    open_run(run)
    yield Messages(run)
    close_run()


def test_an_account_of_nothing_is_an_error(unbegun: Messages) -> None:
    with pytest.raises(MeasurementError, match=r"not known what became .*\(error\): no message was sent"):
        unbegun.account()
    with pytest.raises(MeasurementError, match="not known"), unbegun:
        pass


def test_a_test_that_never_asked_for_its_account_is_judged_at_its_end(unbegun: Messages) -> None:
    with pytest.raises(AssertionError, match=r"^error: no message was sent: nothing was tested"):
        unbegun.close()
    assert (unbegun.folder / "evidence.json").exists()
    assert unbegun.report.exists()
    assert not is_open()


def test_a_test_that_failed_is_not_failed_once_more_and_its_evidence_says_why(unbegun: Messages) -> None:
    evidence = unbegun.close("ZeroDivisionError: division by zero")
    assert "the test failed: ZeroDivisionError: division by zero" in evidence.reasons


def test_an_interrupted_test_is_interrupted(unbegun: Messages) -> None:
    assert unbegun.close(interrupted=True).verdict == "interrupted"


def test_after_the_end_nothing_is_injected(unbegun: Messages) -> None:
    unbegun.close("failed")
    with pytest.raises(RunError, match="a fault comes before that"):
        unbegun.fault("kill", "redpanda")


def test_there_is_one_run_at_a_time(unbegun: Messages) -> None:
    with pytest.raises(RunError, match="open in this process already"), measured("second"):
        pass
    assert current_run() is unbegun.run


@pytest.fixture
def lossy(unbegun: Messages, monkeypatch: pytest.MonkeyPatch) -> Messages:
    """Messages of a run that measured everything and lost two."""
    made = accounts([set(), LOST, LOST], LOST, LOST, set())
    found = evidence(lost=2)
    tiers = [replace(report, tier=tier) for report, tier in zip(found.tiers[1:4], made.tiers, strict=True)]
    told = replace(found, tiers=tiers)
    assert told.verdict == "deviated"
    for name, answer in (("finish", None), ("judged", told), ("conclude", told), ("accounts", made)):
        monkeypatch.setattr(unbegun.run, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr("chaosp7.measure.messages.write_page", lambda _: None)
    return unbegun


def test_the_end_of_a_block_is_nobody_who_asks(lossy: Messages) -> None:
    with lossy:
        pass
    assert not lossy.accounted
    with pytest.raises(AssertionError, match=r"^deviated: (?s:.*)binance BTC/USDT 3-4, sent"):
        lossy.close()


def test_who_has_asked_for_the_account_judges_by_it(lossy: Messages) -> None:
    with lossy:
        pass
    assert lossy.account().lost == 2
    assert lossy.accounted
    assert lossy.close().verdict == "deviated"
