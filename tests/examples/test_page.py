"""The page about tests of one's own shows what runs, and nothing that isn't there."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from chaosp7.measure.account import Account
from chaosp7.measure.held import AT_MOST_S
from chaosp7.measure.messages import Messages
from tests.examples.test_wheel import EXAMPLE, REPOSITORY

PAGE = (REPOSITORY / "docs" / "pytest.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_test_on_the_page_is_the_one_that_the_example_runs() -> None:
    assert BLOCKS[0] == (EXAMPLE / "tests" / "test_trades.py").read_text()


@pytest.mark.parametrize("source", BLOCKS)
def test_what_is_imported_exists(source: str) -> None:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


def test_it_names_every_option_of_the_marker_with_its_default() -> None:
    parameters = inspect.signature(Messages.begin).parameters
    for name in set(parameters) - {"name", "reports"}:
        assert f"`{name}`" in PAGE
    for name, default in re.findall(r"`(\w+_s)` \((\d+)\)", PAGE):
        assert parameters[name].default == int(default)
    assert f"after {AT_MOST_S:g} s (`at_most_s`)" in PAGE


def test_it_names_every_assertion() -> None:
    assertions = {name for name in vars(Account) if name.startswith("assert_")}
    assert assertions == set(re.findall(r"`(assert_\w+)`", PAGE))


def test_the_examples_readme_leads_to_the_page() -> None:
    readme = EXAMPLE / "README.md"
    for target in re.findall(r"\]\(([^)]+)\)", readme.read_text()):
        assert Path(readme.parent, target).exists(), target
