"""`chaosp7 report` renders saved runs again, and its exit code is theirs."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.synthetic_evidence import evidence
from chaosp7.cli import commands
from chaosp7.errors import ConfigError, ReportError
from tests.report.test_model import save


def report(*arguments: object) -> Result:
    return CliRunner().invoke(commands, ["report", *map(str, arguments)])


def test_every_format_is_written_and_the_result_told(tmp_path: Path) -> None:
    save(tmp_path / "r", evidence())
    out = tmp_path / "out"
    files = {name: out / name for name in ("html", "markdown", "junit", "json")}
    done = report(tmp_path / "r", *(word for name, path in files.items() for word in (f"--{name}", path)))
    assert done.exit_code == 0, done.output
    assert "Everything was measured" in done.output
    assert all(path.stat().st_size for path in files.values())


def test_a_run_that_did_not_pass_gives_exit_code_1(tmp_path: Path) -> None:
    save(tmp_path / "r", evidence(lost=1))
    assert report(tmp_path / "r" / "evidence.json", "--junit", tmp_path / "x").exit_code == 1
    save(tmp_path / "s", journal={"status": "interrupted"})
    assert report(tmp_path / "s", "--junit", tmp_path / "x").exit_code == 1


def test_what_cannot_be_done_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "r", evidence())
    assert isinstance(report(tmp_path / "r").exception, ConfigError)
    (tmp_path / "file").write_text("")
    assert isinstance(report(tmp_path / "r", "--html", tmp_path / "file" / "x").exception, ReportError)
    assert report(tmp_path / "nowhere", "--html", tmp_path / "x").exit_code == 2


@pytest.mark.parametrize("name", ["html", "markdown", "junit", "json"])
def test_a_format_can_be_written_alone(tmp_path: Path, name: str) -> None:
    save(tmp_path / "r", evidence())
    assert report(tmp_path / "r", f"--{name}", tmp_path / "one").exit_code == 0
    assert (tmp_path / "one").stat().st_size > 300
