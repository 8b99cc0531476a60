"""Planted bugs are found: the right messages, class, tier and cause, and nobody else is blamed."""

from pathlib import Path

import pytest

from chaosp7.embedded import provision
from chaosp7.embedded.planted import PLANTED_ENV, parse
from chaosp7.errors import ConfigError
from chaosp7.platform.loader import load
from tests.faulty.catalogue import BUGS, Bug
from tests.faulty.judged import Result
from tests.faulty.runner import platform_file, run_group

_of_group: dict[str, list[Result] | Exception] = {}


def results(group: str, folder: Path) -> list[Result]:
    """Return what the account made of a group's bugs; they are all in one run."""
    if group not in _of_group:
        try:
            _of_group[group] = run_group(group, folder)
        except Exception as error:  # noqa: BLE001 - not to be run again for each of its bugs
            _of_group[group] = error
    found = _of_group[group]
    if isinstance(found, Exception):
        raise found
    return found


@pytest.mark.alone
@pytest.mark.soak
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found_and_called_what_it_is(
    bug: Bug, parts: provision.Parts, tmp_path: Path
) -> None:
    del parts
    (result,) = (one for one in results(bug.group, tmp_path) if one.bug is bug)
    assert not result.problems
    assert result.hits > 0
    assert result.verdict == bug.verdict != "passed"


def test_no_bug_is_planted_without_the_tests_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PLANTED_ENV, raising=False)
    with pytest.raises(ConfigError, match=rf"planted.*{PLANTED_ENV}=1"):
        load(platform_file("tables", tmp_path))
    with pytest.raises(ConfigError, match=PLANTED_ENV):
        parse(["hangs=kraken"])


def test_no_shipped_platform_has_a_planted_bug() -> None:
    shipped = list((Path(__file__).parents[2] / "platforms").glob("**/*.y*ml"))
    assert shipped
    assert not [path for path in shipped if "planted" in path.read_text()]


def test_there_are_at_least_24_bugs_and_each_has_a_name_of_its_own() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 24
