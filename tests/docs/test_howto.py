"""Each fault's recipe is one that an experiment can have: `chaosp7 plan` takes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaosp7.suite.examine import examine
from docs.site.api import of_kind
from docs.site.howto import Recipe, recipes
from tests.short import write_experiment

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "howto.md").read_text()
RECIPES = recipes(PAGE)

#: What isn't for the platform that experiments run on by themselves.
PLATFORMS = {
    "chaosp7.actions.crash_at.crash_offload_at": "embedded-cold",
    "chaosp7.actions.http_errors.answer_errors": "embedded-cold",
    "chaosp7.actions.second.run_second_offload": "embedded-cold",
    "chaosp7.actions.disk_full.fill_disk": "embedded-small-disk",
    "chaosp7.actions.isolate.isolate_service": "embedded-docker",
}
#: What only a running platform can tell.
UNTOLD = {
    "chaosp7.actions.delete_topic.delete_topic_refused",
    "chaosp7.actions.http_errors.answer_errors",
    "chaosp7.actions.isolate.isolate_service",
    "chaosp7.actions.pause_leader.pause_leader",
    "chaosp7.actions.second.run_second_offload",
    "chaosp7.actions.slow_disk.slow_disk",
}


def test_every_action_has_one_recipe() -> None:
    actions = [f"{module}.{name}" for module, names in of_kind("action").items() for name in names]
    assert sorted(recipe.action for recipe in RECIPES) == sorted(actions)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.action)
def test_a_recipe_is_a_step_of_an_experiment(recipe: Recipe, tmp_path: Path) -> None:
    platform = PLATFORMS.get(recipe.action, "embedded")
    if recipe.platform:
        own = tmp_path / "own.yaml"
        own.write_text(recipe.platform)
        platform = str(own)
    found = examine(write_experiment(tmp_path, [recipe.step], platform=platform))
    assert found.plan.faults_expected == (recipe.action != "chaosp7.actions.start.start_service")
    assert len(found.faults) == found.plan.faults_expected - (recipe.action in UNTOLD)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.action)
def test_the_experiments_named_as_using_it_do(recipe: Recipe) -> None:
    section = PAGE.partition(f"### {recipe.title}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    named = section.partition("In use: ")[2].partition("\n\n")[0]
    users = {
        path.stem
        for path in (REPOSITORY / "experiments").glob("*.json")
        if any(
            f"{step['provider']['module']}.{step['provider']['func']}" == recipe.action
            for step in json.loads(path.read_text())["method"]
        )
    }
    assert set(named.split("`")[1::2]) == users
