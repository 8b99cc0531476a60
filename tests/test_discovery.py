"""``chaos discover`` lists every activity as its module's source has it."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import DiscoveryFailed

import chaosp7
import chaosp7.actions
from tests.waiting import PATIENCE_S

REPOSITORY = Path(__file__).parents[1]
FOLDERS = {"chaosp7/actions": "action", "probes": "probe", "chaosp7/controls": "control"}
TYPES = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean", "None": "null",
    "Mapping": "mapping", "dict": "mapping", "Sequence": "list", "list": "list",
}  # fmt: skip

#: Type, module, function, what it returns, arguments with their types and defaults.
Activity = tuple[str, str, str, str, tuple[tuple[str, str, Any], ...]]
REQUIRED = "(required)"


def type_name(annotation: ast.expr | None) -> str:
    assert annotation is not None
    return TYPES[ast.unparse(annotation).removesuffix(" | None").partition("[")[0]]


def in_the_source() -> Iterator[Activity]:
    """Read every activity from the files, without importing any of them."""
    for folder, kind in FOLDERS.items():
        for path in sorted((REPOSITORY / folder).glob("*.py")):
            module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
            body = ast.parse(path.read_text()).body
            if path.name.startswith("_"):  # what activities are built of
                continue
            (exported,) = (
                ast.literal_eval(node.value)
                for node in body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            )
            functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
            assert exported, f"{module} exports nothing"
            for name in exported:
                args, returns = functions[name].args, functions[name].returns
                defaults = [ast.literal_eval(default) for default in args.defaults]
                padded = [REQUIRED] * (len(args.args) - len(defaults)) + defaults
                arguments = (
                    (a.arg, type_name(a.annotation), d) for a, d in zip(args.args, padded, strict=True)
                )
                yield kind, module, name, type_name(returns), tuple(arguments)


def frozen(default: Any) -> Any:
    """Return a default as it stands in the source: JSON has no tuples."""
    return tuple(default) if isinstance(default, list) else default


def listed(discovery: dict[str, Any]) -> list[Activity]:
    return [
        (
            a["type"],
            a["mod"],
            a["name"],
            a["return_type"],
            tuple((arg["name"], arg["type"], frozen(arg.get("default", REQUIRED))) for arg in a["arguments"]),
        )
        for a in discovery["activities"]
    ]


@pytest.fixture(scope="module")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("discovery")
    command = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file"]
    command += ["discover", "chaosp7", "--no-install"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    # Its exit code is 0 when it fails, too.
    assert (folder / "discovery.json").exists(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "discovery.json").read_text())
    return found


def test_every_activity_is_listed_with_its_arguments(discovered: dict[str, Any]) -> None:
    assert discovered["extension"] == {"name": "chaosp7", "version": chaosp7.__version__}
    assert sorted(listed(discovered)) == sorted(in_the_source())
    assert {kind for kind, *_ in listed(discovered)} == {"action", "probe", "control"}
    assert all(activity["doc"] for activity in discovered["activities"])


@pytest.mark.parametrize("path", sorted((REPOSITORY / "experiments").glob("*.json")), ids=lambda p: p.stem)
def test_an_experiment_names_only_what_is_discovered(path: Path, discovered: dict[str, Any]) -> None:
    arguments = {(mod, name): args for _, mod, name, _, args in listed(discovered)}
    experiment = json.loads(path.read_text())
    activities = experiment["steady-state-hypothesis"]["probes"] + experiment["method"]
    for activity in [*activities, *experiment["rollbacks"], *experiment["controls"]]:
        provider = activity["provider"]
        function = provider.get("func", "before_experiment_control")
        known = arguments[provider["module"], function]
        given = set(provider.get("arguments", ()))
        if "func" not in provider:
            given.add("context")  # Chaos Toolkit's own
        assert given <= {name for name, *_ in known}, activity["name"]
        assert given >= {name for name, _, default in known if default is REQUIRED}, activity["name"]


def test_chaos_toolkit_itself_can_read_the_annotations(discovered: dict[str, Any]) -> None:
    for module in {activity["mod"] for activity in discovered["activities"]}:
        path = REPOSITORY / f"{module.replace('.', '/')}.py"
        assert "from __future__ import annotations" not in path.read_text(), module


def new_modules(folder: Path, monkeypatch: pytest.MonkeyPatch, **sources: str) -> None:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, f"chaosp7.actions.{name}", raising=False)
    monkeypatch.setattr(chaosp7.actions, "__path__", [*chaosp7.actions.__path__, str(folder)])


def test_a_new_fault_appears_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function = "def {0}(service: str, wait_s: float | None = None) -> bool:\n    return True\n"
    new_modules(
        tmp_path,
        monkeypatch,
        quake="__all__ = ['quake_service']\n" + function.format("quake_service") + function.format("helper"),
        _private="__all__ = ['hidden']\n" + function.format("hidden"),
        unsaid=function.format("unsaid"),
        nothing="__all__ = []\n" + function.format("nothing"),
    )
    known = set(in_the_source())
    arguments = (("service", "string", REQUIRED), ("wait_s", "number", None))
    new = [activity for activity in listed(chaosp7.discover()) if activity not in known]
    assert new == [("action", "chaosp7.actions.quake", "quake_service", "boolean", arguments)]


def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_modules(tmp_path, monkeypatch, broken="import no_such_module\n")
    with pytest.raises(DiscoveryFailed, match=r"chaosp7\.actions\.broken.*no_such_module"):
        chaosp7.discover()


def test_importing_chaosp7_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import chaosp7; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout.split() == ["chaosp7"]
