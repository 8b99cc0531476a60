"""The marker, and which platform a test gets; a whole session is in tests/examples."""

import inspect
import os
from pathlib import Path

import pytest

from chaosp7.errors import ConfigError, MeasurementError
from chaosp7.measure.messages import Messages
from chaosp7.pytest_plugin.platforms import Platforms
from chaosp7.pytest_plugin.runs import _options, in_brief
from chaosp7.suite.lanes import own_lane
from tests.chaos import PLATFORM


def options_of(node: pytest.Item, **marker: object) -> dict[str, object]:
    node.add_marker(pytest.mark.chaosp7(**marker))
    return _options(node)


def test_a_test_without_the_marker_has_the_defaults(request: pytest.FixtureRequest) -> None:
    assert _options(request.node) == {}


def test_the_marker_takes_what_a_run_takes(request: pytest.FixtureRequest) -> None:
    given = {"rate_per_s": 50, "budget": {"recovery_s": 3}, "settle_s": 4}
    assert options_of(request.node, platform="k2-compose", **given) == given
    inspect.signature(Messages.begin).bind("name", **given)


def test_a_marker_with_a_misspelt_argument_is_refused(request: pytest.FixtureRequest) -> None:
    with pytest.raises(ConfigError, match=r"no rate; it has: platform, rate_per_s, duration_s, "):
        options_of(request.node, rate=50)


@pytest.mark.parametrize("taken", ["name", "reports"])
def test_what_the_fixture_gives_is_not_the_markers(request: pytest.FixtureRequest, taken: str) -> None:
    with pytest.raises(ConfigError, match=f"no {taken}"):
        options_of(request.node, **{taken: "x"})


def test_a_marker_takes_its_arguments_by_name(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.chaosp7(50))
    with pytest.raises(ConfigError, match="by name: rate_per_s, "):
        _options(request.node)


def test_what_a_fixture_raises_on_purpose_fails_with_its_words_alone() -> None:
    error = MeasurementError("not every tier was fresh")
    error.add_note("evidence: reports/x")
    with pytest.raises(pytest.fail.Exception) as caught, in_brief():
        raise error
    assert caught.value.msg == "MeasurementError: not every tier was fresh\nevidence: reports/x"
    assert not caught.value.pytrace
    with pytest.raises(ZeroDivisionError), in_brief():
        1 / 0  # noqa: B018 - a mistake of ours keeps its trace


def test_a_platform_file_counts_from_the_projects_root(tmp_path: Path) -> None:
    (tmp_path / "platforms").mkdir()
    own = tmp_path / "platforms" / "own.yaml"
    own.write_text("extends: embedded\nname: own\n")
    platforms = Platforms(None, tmp_path, own_state=False)
    assert platforms._find("platforms/own.yaml") == own
    assert platforms._find("embedded").name == "embedded.yaml"
    with pytest.raises(ConfigError, match="no platform file 'other'"):
        platforms.up("other")


def test_the_marker_goes_before_the_sessions_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    platforms = Platforms("of-the-session", tmp_path, own_state=False)
    with pytest.raises(ConfigError, match="'of-the-session'"):
        platforms.up()
    with pytest.raises(ConfigError, match="'of-the-marker'"):
        platforms.up("of-the-marker")
    monkeypatch.setenv("CHAOSP7_PLATFORM", str(PLATFORM))
    assert Platforms(None, tmp_path, own_state=False)._find(None) == PLATFORM


def test_workers_of_one_session_share_no_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path))
    with own_lane() as one, own_lane() as other:
        assert one["CHAOSP7_STATE_DIR"] != other["CHAOSP7_STATE_DIR"]
    with Platforms(None, tmp_path, own_state=True):
        assert Path(os.environ["CHAOSP7_STATE_DIR"]).parent == tmp_path / ".lanes"
    assert os.environ["CHAOSP7_STATE_DIR"] == str(tmp_path)
