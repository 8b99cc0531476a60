"""What a suite writes of its runs counts all that were to be run."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from chaosp7.run import evidence as ev
from chaosp7.suite.codes import gravest
from chaosp7.suite.record import SuiteRun
from chaosp7.suite.rendering import render
from tests.suite.evidences import evidence


def test_a_run_that_never_began_is_an_error_in_junit_and_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    ev.write(evidence("one"), tmp_path / "one" / "evidence.json")
    runs = [
        SuiteRun(experiment="x", file="x.json", repetition=1, folder="one", verdict="passed"),
        SuiteRun(experiment="y", file="y.json", repetition=1),
        SuiteRun(experiment="x", file="x.json", repetition=2),
    ]
    files = {"junit": tmp_path / "junit.xml", "html": tmp_path / "report.html", "json": None}
    assert render(runs, tmp_path, list(files.items())) == [tmp_path / "junit.xml", tmp_path / "report.html"]
    root = ET.fromstring((tmp_path / "junit.xml").read_text())  # noqa: S314 - ours
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["3", "0", "2"]
    assert [case.get("name") for case in root.iter("testcase")] == ["one", "x-2", "y-1"]
    assert {error.get("message") for error in root.iter("error")} == {"never began"}
    text = (tmp_path / "report.html").read_text()
    assert "1 of 3 runs of 2 experiments passed; 2 error." in text
    assert "never began" in text


@pytest.mark.parametrize(
    "verdicts",
    [
        ["interrupted", None],
        ["passed", None],
        ["deviated", "interrupted", None],
        ["passed", "passed"],
    ],
)
def test_after_ctrl_c_page_and_junit_say_what_the_exit_code_says(
    tmp_path: Path, verdicts: list[str | None]
) -> None:
    runs = []
    for number, verdict in enumerate(verdicts, start=1):
        if verdict is not None:
            (tmp_path / f"{number}").mkdir()
            ev.write(evidence(f"{number}", verdict=verdict), tmp_path / f"{number}" / "evidence.json")
        folder = None if verdict is None else f"{number}"
        runs.append(
            SuiteRun(experiment="x", file="x.json", repetition=number, folder=folder, verdict=verdict)
        )
    told = gravest(verdicts, interrupted=True)
    render(runs, tmp_path, [("junit", tmp_path / "x.xml"), ("json", tmp_path / "x.json")], interrupted=True)
    assert json.loads((tmp_path / "x.json").read_text())["verdict"] == told
    kinds = {
        problem.get("type")
        for problem in ET.fromstring((tmp_path / "x.xml").read_text()).iter()  # noqa: S314 - ours
        if problem.tag in {"error", "failure"}
    }
    assert kinds == {verdict or "interrupted" for verdict in verdicts} - {"passed"}
