"""Planted bugs are found: the right messages, class, tier and cause, and nobody else is blamed."""

from pathlib import Path

import pytest

from chaosp7.embedded import provision
from tests.faulty.catalogue import bugs_of
from tests.faulty.runner import GROUPS, Result, run_group

pytestmark = pytest.mark.alone

_results: dict[str, list[Result]] = {}


@pytest.fixture(scope="module", params=GROUPS)
def results(
    request: pytest.FixtureRequest, parts: provision.Parts, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Result]:
    """What the account made of the bugs of one group, all in one run."""
    del parts
    folder: Path = tmp_path_factory.mktemp(request.param)
    return {result.bug.name: result for result in run_group(request.param, folder)}


def test_every_planted_bug_of_a_run_is_found_and_called_what_it_is(results: dict[str, Result]) -> None:
    missed = {name: result.problems[:5] for name, result in results.items() if not result.found}
    assert not missed
    (group,) = {result.bug.group for result in results.values()}
    assert len(results) == len(bugs_of(group))
    assert all(result.verdict != "passed" for result in results.values())
