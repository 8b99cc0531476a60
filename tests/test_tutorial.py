"""What the tutorial tells people to type exists."""

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from chaoslib.experiment import ensure_experiment_is_valid

from chaosp7.cli import commands
from chaosp7.safety.safeguards import DEFAULTS, safeguards_of

REPOSITORY = Path(__file__).parents[1]
TUTORIAL = (REPOSITORY / "docs" / "tutorial.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)
JSON = re.findall(r"^ *```json\n(.*?)^ *```", TUTORIAL, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^    (?! )(.+)$", re.sub(r"```.*?```", "", TUTORIAL, flags=re.DOTALL), re.MULTILINE)


def test_every_target_of_make_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = [command.split()[1] for command in COMMANDS if command.startswith("make ")]
    assert targets == ["run", "baseline"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("line", [line for line in COMMANDS if ".venv/bin/chaosp7 " in line])
def test_every_command_of_chaosp7_parses(line: str) -> None:
    group: click.Command = commands
    # What the reader makes of a shipped one isn't there.
    words = line.replace("silver-restart.json", "redpanda-restart.json").split()[1:]
    while isinstance(group, click.Group):
        found = group.get_command(click.Context(group), words.pop(0))
        assert found is not None, line
        group = found
    group.make_context(line, words)  # raises for an option that doesn't exist


@pytest.mark.parametrize("source", PYTHON)
def test_what_is_imported_exists(source: str) -> None:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


def test_the_experiment_that_it_makes_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    title, method, rollback, budget, probe = (
        json.loads(text if text.lstrip().startswith("{") else f"{{{text}}}") for text in JSON
    )
    experiment: dict[str, Any] = json.loads(
        (REPOSITORY / "experiments" / "redpanda-restart.json").read_text()
    )
    experiment |= title
    experiment["method"][0]["provider"] |= method
    experiment["rollbacks"][0]["provider"] |= rollback
    evidence = experiment["controls"][0]["provider"]["arguments"]
    assert evidence["budget"].keys() == budget["budget"].keys()
    evidence |= budget
    assert experiment["steady-state-hypothesis"]["probes"][-1]["provider"]["func"] == "recovered_within"
    experiment["steady-state-hypothesis"]["probes"][-1] = probe
    monkeypatch.chdir(REPOSITORY)
    ensure_experiment_is_valid(experiment)


def test_the_safeguards_of_the_safety_page_are_accepted() -> None:
    text = (REPOSITORY / "docs" / "safety.md").read_text()
    (block,) = re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    given = json.loads(f"{{{block}}}")["safeguards"]
    names = [one.name for one in safeguards_of(given, defaults=True)]
    assert names == [*(one["name"] for one in given), *(one.name for one in DEFAULTS)]
    for one in DEFAULTS:
        least_mib = one.activity["tolerance"]["range"][0] // 1024 // 1024
        assert f"`{one.name}` ({least_mib} MiB" in " ".join(text.split())
