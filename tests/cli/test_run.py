"""`chaosp7 run` says the same in its exit code and in all that it writes."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from chaosp7.cli import commands
from chaosp7.report import read_runs, suite_verdict
from chaosp7.suite import runner
from tests.suite.suites import experiment, suite_of


class InterruptedAtOnce(runner.SuiteRunner):
    """Comes to no run: Ctrl-C is there already."""

    def run(self) -> None:
        self.suite.interrupted = True


def test_a_suite_that_was_interrupted_is_so_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SuiteRunner", InterruptedAtOnce)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(commands, ["run", experiment(tmp_path, "x"), "--junit", "junit.xml"])
    assert done.exit_code == 11, done.output
    assert suite_of(tmp_path)["verdict"] == "interrupted"
    (problem,) = ET.fromstring((tmp_path / "junit.xml").read_text()).iter("error")  # noqa: S314 - ours
    assert problem.get("type") == "interrupted"
    (page,) = tmp_path.glob("reports/*-suite/report.html")
    assert "</span> interrupted</span>" in page.read_text()
    assert suite_verdict(read_runs([tmp_path / "reports"])) == "interrupted"
