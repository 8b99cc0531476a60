"""``chaosp7 list``, ``validate``, ``compare``, ``history``; and that ``--help`` imports next to nothing."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import pytest

from chaosp7 import cli
from chaosp7.run import evidence as ev
from chaosp7.suite.record import SuiteRecord, SuiteRun, write_suite
from tests.chaos import PLATFORM, REPOSITORY, environment
from tests.lite import HANDLER
from tests.short import action, write_experiment
from tests.suite.evidences import evidence, recovery
from tests.waiting import PATIENCE_S

EXPERIMENTS = sorted((REPOSITORY / "experiments").glob("*.json"))


def chaosp7(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("chaosp7")), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def saved(reports: Path, run: ev.Evidence) -> Path:
    folder = reports / run.run_id
    folder.mkdir(parents=True)
    ev.write(run, folder / "evidence.json")
    return folder


def test_help_imports_no_client_of_anything() -> None:
    code = (
        "import sys; from chaosp7 import cli\n"
        "try: cli.commands(['--help'])\n"
        "except SystemExit: print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    heavy = {"numpy", "chaoslib", "confluent_kafka", "docker", "requests", "rich", "yaml", "msgspec"}
    assert heavy.isdisjoint(done.stderr.split())
    assert "validate" in done.stdout


def test_every_command_is_there_as_it_is_listed() -> None:
    for name, (module, attribute, _) in cli._COMMANDS.items():
        command = getattr(importlib.import_module(f"chaosp7.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        assert command.name == name


def test_all_shipped_experiments_are_right_and_listed(tmp_path: Path) -> None:
    files = [str(path) for path in EXPERIMENTS]
    done = chaosp7(tmp_path, "validate", *files)
    assert done.returncode == 0, done.stderr
    listed = json.loads(chaosp7(tmp_path, "list", "--json", *files).stdout)
    assert [one["title"] for one in listed] == [path.stem for path in EXPERIMENTS]
    restart = next(one for one in listed if one["title"] == "redpanda-restart")
    assert restart["faults"] == [{"kind": "restart", "target": "redpanda"}]
    assert restart["budget"]["recovery_s"] == 10
    assert restart["expected_s"] > restart["load_s"]
    full = next(one for one in listed if one["title"] == "disk-full")
    assert full["needs_platform"] == "embedded-small-disk"
    assert not (tmp_path / "state").exists()
    rows = chaosp7(tmp_path, "list", *files).stdout.splitlines()
    by_title = {row.split()[0]: " ".join(row.split()) for row in rows}
    assert {
        path.stem for path in EXPERIMENTS
    } <= by_title.keys()  # none is cut off where there is no terminal
    assert by_title["redpanda-restart"].startswith(
        "redpanda-restart restart redpanda 10 s, nothing lost or wrong"
    )
    assert "missed_at_source 1000, unacknowledged 50, nothing else lost" in by_title["feed-handler-crash"]


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        (action("kill", "kill_service", service="nobody"), "unknown service 'nobody'"),
        (action("refuse", "refuse_link", link="a->b"), "unknown link 'a->b'"),
        (action("kill", "kill_service", service=HANDLER, servce=1), "servce"),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_exit_code_1(
    tmp_path: Path, method: dict[str, object], problem: str
) -> None:
    wrong = write_experiment(tmp_path, [method])
    done = chaosp7(tmp_path, "validate", str(EXPERIMENTS[0]), str(wrong))
    assert done.returncode == 1
    assert any(str(wrong) in line and problem in line for line in done.stderr.splitlines()), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", '{"title": "x"}'])
def test_what_is_no_experiment_is_wrong(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    done = chaosp7(tmp_path, "validate", "x.json")
    assert (done.returncode, done.stderr.startswith("x.json: ")) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_another_platform_s_services_count(tmp_path: Path) -> None:
    right = str(write_experiment(tmp_path, [action("kill", "kill_service", service=HANDLER)]))
    other = tmp_path / "other.yaml"
    other.write_text(PLATFORM.read_text().replace(HANDLER, "another-handler"))
    assert chaosp7(tmp_path, "validate", right).returncode == 0
    for command in ("validate", "plan"):
        done = chaosp7(tmp_path, command, right, "--platform", "other.yaml")
        assert (done.returncode != 0, f"unknown service '{HANDLER}'" in done.stderr) == (True, True), done


def test_two_runs_are_compared_as_text_and_as_json(tmp_path: Path) -> None:
    one = saved(tmp_path / "reports", evidence("one", recoveries=[recovery("topic", 3.0)]))
    other = saved(tmp_path / "reports", evidence("other", "deviated", [recovery("topic", 9.0)], lost=4))
    done = chaosp7(tmp_path, "compare", str(one), str(other))
    for words in ("x: passed | deviated", "3.00 s [2.90, 3.10] n=1", "9.00 s", "4 lost", "slower"):
        assert words in done.stdout, done.stdout
    (found,) = json.loads(chaosp7(tmp_path, "compare", str(one), str(other), "--json").stdout)
    assert found["tiers"][0]["change"] == "slower"
    assert chaosp7(tmp_path, "compare", str(one), str(tmp_path)).returncode == 2


def test_what_is_wrong_on_one_side_is_told_of_both(tmp_path: Path) -> None:
    (tier,) = evidence().tiers
    doubled = msgspec.structs.replace(tier, duplicated=500, late=2)
    one = saved(tmp_path / "reports", evidence("one", recoveries=[recovery("topic", 3.0)]))
    other = saved(tmp_path / "reports", msgspec.structs.replace(evidence("other"), tiers=[doubled]))
    told = chaosp7(tmp_path, "compare", str(one), str(other)).stdout
    for words in ("n=1, 0 lost, 0 duplicated", "2 lost or late (2 late), 500 duplicated"):
        assert words in told, told
    assert "corrupted" not in told


def test_a_suite_is_compared_with_all_its_verdicts(tmp_path: Path) -> None:
    one = saved(tmp_path / "reports", evidence("one", recoveries=[recovery("topic", 3.0)]))
    suite = tmp_path / "reports" / "a-suite"
    suite.mkdir()
    runs = [
        SuiteRun(experiment="x", file="x", repetition=1, folder="one", verdict="passed"),
        SuiteRun(experiment="x", file="x", repetition=2, folder="died", verdict="error"),
        SuiteRun(experiment="x", file="x", repetition=3),
    ]
    write_suite(SuiteRecord(suite_id="a-suite", started_at="then", runs=runs), suite)
    told = chaosp7(tmp_path, "compare", str(suite), str(one)).stdout
    assert "x: passed, error, never began | passed" in told


def test_a_tier_that_was_never_seen_stale_says_until_when_it_may_have_been(tmp_path: Path) -> None:
    never = recovery("topic", None, 4.0, "never-stale")
    saved(tmp_path / "reports", evidence("one", recoveries=[never]))
    saved(tmp_path / "reports", evidence("other", recoveries=[recovery("topic", 3.0)], experiment="y"))
    done = chaosp7(tmp_path, "history")
    for words in ("topic: never stale (4.00 s at most)", "topic: 3.00 s ± 0.10"):
        assert words in done.stdout, done
    page = (tmp_path / "reports" / "index.html").read_text()
    assert all(words in page for words in ("never stale (4.00 s at most)", "3.00 s ± 0.10"))


def test_a_history_has_a_page_and_names_the_regression_and_the_broken_run(tmp_path: Path) -> None:
    for number, seconds in enumerate([3.0, 3.1, 2.9, 3.0, 3.1, 9.0]):
        saved(
            tmp_path / "reports",
            evidence(f"{number}", recoveries=[recovery("topic", seconds)], wall_ns=number),
        )
    broken = saved(tmp_path / "reports", msgspec.structs.replace(evidence("broken"), experiment="y"))
    (broken / "evidence.json").write_text("{")
    killed = tmp_path / "reports" / "killed"
    killed.mkdir()
    (killed / "ledger.bin").write_bytes(b"")
    (tmp_path / "reports" / "a-suite").mkdir()
    done = chaosp7(tmp_path, "history")
    assert done.returncode == 0, done.stderr
    assert "killed: a run that goes on, or has left no evidence" in done.stderr
    assert "a-suite" not in done.stderr
    assert "REGRESSION: slower than the runs before allow: topic" in done.stdout
    assert "broken/evidence.json" in done.stderr
    assert "slower: topic" in (tmp_path / "reports" / "index.html").read_text()
