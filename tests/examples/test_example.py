"""The example as an outsider runs it: with the wheel, on a platform that loses twenty messages."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from chaosp7.embedded import provision
from chaosp7.embedded.planted import PLANTED_ENV
from chaosp7.platform.drivers import open_driver
from chaosp7.run import evidence as ev
from tests.chaos import PLATFORM, REPOSITORY
from tests.examples.outsider import Outsider
from tests.examples.test_wheel import EXAMPLE

pytestmark = pytest.mark.alone

LIMIT_S = 280


def faulty_platform(folder: Path) -> Path:
    """Write the shipped platform with a silver processor that forgets 20 of each 130 first messages of a feed."""
    content = yaml.safe_load(PLATFORM.read_text())
    content["name"] = "forgetful"
    content["services"]["silver-processor"]["planted"] = ["holds-back=binance BTC/USDT"]
    path = folder / "forgetful.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_the_example_passes_where_nothing_is_lost_and_names_what_is(
    outsider: Outsider, parts: provision.Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del parts
    example = Path(shutil.copytree(EXAMPLE, tmp_path / "example"))
    shutil.copy(REPOSITORY / "tests" / "examples" / "short_drain.py", example)
    state = tmp_path / "state"
    done = outsider.run(
        *("-m", "pytest", "-p", "short_drain", "-p", "no:cacheprovider"),
        *("--chaosp7-platform", str(faulty_platform(tmp_path))),
        cwd=example,
        timeout_s=LIMIT_S,
        CHAOSP7_STATE_DIR=str(state),
        PYTHONPATH=str(example),
        **{PLANTED_ENV: "1"},
    )
    # The bug is in the first messages of the platform's life: the second test sends none of them.
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert re.search(r"FAILED tests/test_trades.py::test_every_trade_arrives", done.stdout)
    said = re.search(
        r"20 of 2,\d{3} lost at silver: binance BTC/USDT 30, 35, 40, 45, 50 and 15 more ranges \(20 messages\), "
        r"sent \d\d:\d\d:\d\d\.\d{3}-(\d\d:\d\d:\d\d)?\.\d{3} UTC, first missing at silver; "
        r"acknowledged by the broker",
        done.stdout,
    )
    assert said, done.stdout
    (report,) = re.findall(r"^report: (.+)$", done.stdout, re.MULTILINE)
    assert Path(report).is_relative_to(example / "reports")
    assert Path(report).read_text().startswith("<!doctype html>")
    failed, passed = (ev.read(path) for path in sorted((example / "reports").glob("*/evidence.json")))
    assert (failed.verdict, passed.verdict) == ("deviated", "passed")
    assert failed.reasons[-1].startswith("the test failed: AssertionError")
    (fault,) = passed.faults
    assert (fault.kind, fault.target, fault.lasted) == ("pause", "silver-processor", True)
    assert None not in {fault.verified_start_ns, fault.verified_end_ns}
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(state))
    assert not open_driver(name="forgetful").running()
