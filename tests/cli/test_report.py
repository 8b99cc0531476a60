"""`chaosp7 report` renders saved runs again, and its exit code is theirs."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.synthetic_evidence import evidence
from chaosp7.cli import commands
from chaosp7.errors import ConfigError, ExportError, ReportError
from tests.exports.receiver import Answer, receiver
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


def test_a_run_that_died_early_beside_one_that_passed_gives_exit_code_1(tmp_path: Path) -> None:
    save(tmp_path / "r", evidence())
    (save(tmp_path / "20260101T000000.000-died") / "output.log").write_text("Killed")
    done = report(tmp_path, "--junit", tmp_path / "x")
    assert (done.exit_code, "1 of 2 runs of 2 experiments passed; 1 error." in done.output) == (1, True)


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


def test_figures_for_prometheus_are_written_again(tmp_path: Path) -> None:
    save(tmp_path / "r", evidence())
    save(tmp_path / "s", evidence("clickhouse-restart"))
    assert report(tmp_path, "--prometheus", tmp_path / "out" / "x.prom").exit_code == 0
    text = (tmp_path / "out" / "x.prom").read_text()
    for experiment in ("redpanda-restart", "clickhouse-restart"):
        assert (
            f'chaosp7_run_verdict{{experiment="{experiment}",platform="embedded",verdict="passed"}} 1' in text
        )


def test_the_trace_of_every_run_with_evidence_is_sent_again(tmp_path: Path) -> None:
    save(tmp_path / "r", evidence())
    save(tmp_path / "s", evidence(number=2))
    save(tmp_path / "t", journal={"status": "interrupted"})
    with receiver() as there:
        done = report(tmp_path, "--otlp", f"{there.url}/")
    assert done.exit_code == 1  # of the run without evidence
    assert [request.path for request in there.requests] == ["/v1/traces"] * 2
    assert "24 spans of 2 runs are sent." in done.output


def test_a_receiver_that_takes_no_trace_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "r", evidence())
    with receiver(lambda _: Answer(500)) as there:
        failed = report(tmp_path, "--otlp", there.url)
    assert isinstance(failed.exception, ExportError)
    assert "HTTP 500" in str(failed.exception)
    assert isinstance(report(tmp_path, "--otlp", " ").exception, ConfigError)
