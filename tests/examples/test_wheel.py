"""What an outsider gets with the wheel: the plugin, the types, and nothing at the start of every session."""

import json
import shutil
import zipfile
from pathlib import Path

from tests.chaos import REPOSITORY
from tests.examples.outsider import Outsider

EXAMPLE = REPOSITORY / "examples" / "pytest"

#: Prints what a session without any test of ours has imported, and from where chaosp7 is.
LOOK = """
import json, sys, pytest
class Look:
    def pytest_sessionfinish(self):
        import chaosp7
        print("\\nLOOK" + json.dumps([chaosp7.__file__, sorted(sys.modules)]))
pytest.main(["-q", "-p", "no:cacheprovider", "test_own.py"], plugins=[Look()])
"""

#: What a suite without our fixtures mustn't pay for.
SLOW = ("numpy", "confluent_kafka", "clickhouse_connect", "msgspec", "chaoslib", "requests", "rich", "yaml")


def test_the_wheel_carries_the_types_and_the_plugin(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        text = archive.read(entry_points).decode()
    assert {"chaosp7/py.typed", "probes/py.typed", "chaosp7/platforms/embedded.yaml"} <= set(names)
    assert "[pytest11]\nchaosp7 = chaosp7.pytest_plugin" in text
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]


def test_a_suite_that_does_not_use_it_imports_nothing_of_it(outsider: Outsider, tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef platform():\n    return 'their own'\n\n\n"
        "def test_own(platform):\n    assert platform == 'their own'\n"
    )
    done = outsider.run("-c", LOOK, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("LOOK"))
    file, modules = json.loads(line.removeprefix("LOOK"))
    assert Path(file).is_relative_to(outsider.folder)
    ours = [name for name in modules if name.partition(".")[0] in ("chaosp7", "probes")]
    assert ours == ["chaosp7", "chaosp7.pytest_plugin"]
    assert not {name.partition(".")[0] for name in modules} & set(SLOW)


def test_the_fixtures_and_the_marker_say_what_they_are(outsider: Outsider, tmp_path: Path) -> None:
    shown = outsider.run("-m", "pytest", "--fixtures", "--markers", cwd=tmp_path).stdout
    assert "@pytest.mark.chaosp7(rate_per_s=500, " in shown
    shown = outsider.run("-m", "pytest", "--fixtures", "-q", cwd=tmp_path).stdout
    for name in ("platform", "messages", "fault", "chaosp7_platforms [session scope]"):
        assert f"\n{name} -- " in shown


def test_the_example_is_right_under_strict_types(outsider: Outsider, tmp_path: Path) -> None:
    example = Path(shutil.copytree(EXAMPLE, tmp_path / "example"))
    wrong = example / "tests" / "test_wrong.py"
    wrong.write_text(
        "from chaosp7.pytest_plugin import Messages\n\n"
        "def test_wrong(messages: Messages) -> None:\n    messages.account().tiers.lost\n"
    )
    done = outsider.run("-m", "mypy", cwd=example)
    # Of all that it reads only this is wrong: the example isn't, and nothing of ours is without types.
    assert "test_wrong.py:4: error:" in done.stdout, done.stdout + done.stderr
    assert "Found 1 error in 1 file" in done.stdout, done.stdout
