"""Provisioning: cheap when all is there, whole or not at all, clear about what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chaosp7.embedded import provision, recipes
from chaosp7.embedded.recipes import Recipe
from chaosp7.embedded.tools import Tools
from chaosp7.errors import ProvisionError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "chaosp7"


def _recipe(script: str, **more: object) -> Recipe:
    def make(folder: Path, tools: Tools) -> None:
        tools.run([sys.executable, "-c", script], folder)

    return Recipe("toxiproxy", "1", make, {}, **more)  # type: ignore[arg-type]


def test_parts_that_are_there_are_found_at_once_and_run(parts: provision.Parts) -> None:
    started = time.monotonic()
    again = provision.parts()
    assert time.monotonic() - started < 10  # making them takes a minute and more
    assert again == parts
    said = subprocess.run([parts.toxiproxy, "-version"], capture_output=True, text=True, check=True)
    assert "2.12.0" in said.stdout + said.stderr
    assert len(list(parts.kafka.lib.glob("*.jar"))) > 40
    assert (parts.kafka.template / "meta.properties").exists()


def test_nothing_is_called_when_all_is_there(parts: provision.Parts) -> None:
    assert parts
    said: list[str] = []
    provision.parts(progress=lambda _part, message, _done: said.append(message))
    assert said == []


@pytest.mark.parametrize(
    ("name", "package"), [("kafka", "openjdk-17-jre-headless"), ("toxiproxy", "golang-go")]
)
def test_a_missing_tool_is_one_line_that_says_what_to_install(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setenv("PATH", str(cache))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ProvisionError) as caught:
        provision.parts([name])
    assert package in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_part_that_was_never_made_says_how_to_make_it(cache: Path) -> None:
    with pytest.raises(ProvisionError, match="run `chaosp7 provision`"):
        _ = provision.Parts(cache).toxiproxy


def test_a_tool_that_fails_is_told_with_what_it_said_and_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "print('no route to the shop'); raise SystemExit(3)"
    monkeypatch.setitem(recipes.RECIPES, "toxiproxy", _recipe(script))
    with pytest.raises(ProvisionError, match=r"(?s)failed with exit code 3.*no route to the shop"):
        provision.parts(["toxiproxy"])
    assert [path.name for path in cache.iterdir()] == [".toxiproxy.lock"]


def test_what_a_killed_provisioning_left_is_cleared_away(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / ".toxiproxy-1-abc").mkdir(parents=True)
    monkeypatch.setitem(recipes.RECIPES, "toxiproxy", _recipe("open('made', 'w')"))
    provision.parts(["toxiproxy"])
    assert sorted(path.name for path in cache.iterdir()) == [".toxiproxy.lock", "toxiproxy-1"]
    assert (cache / "toxiproxy-1" / "made").exists()


def test_two_at_once_make_a_part_once(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    times = tmp_path / "times"
    script = f"import time; open({str(times)!r}, 'a').write('x'); time.sleep(0.5)"
    monkeypatch.setitem(recipes.RECIPES, "toxiproxy", _recipe(script))
    said: list[str] = []
    threads = [
        threading.Thread(
            target=provision.parts, args=(["toxiproxy"], lambda _part, text, _done: said.append(text))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert times.read_text() == "x"
    assert "waiting for another process" in said
    assert (cache / "toxiproxy-1").is_dir()


def test_one_failure_ends_the_other_tools(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    # Whole when it is there: who waits for it ends this one at once.
    slow = (
        f"import os, time; open({str(pid)!r} + '-', 'w').write(str(os.getpid())); "
        f"os.rename({str(pid)!r} + '-', {str(pid)!r}); time.sleep(60)"
    )
    failing = (
        f"import os, time\nwhile not os.path.exists({str(pid)!r}): time.sleep(0.01)\nraise SystemExit(1)"
    )
    monkeypatch.setitem(recipes.RECIPES, "toxiproxy", _recipe(slow))
    monkeypatch.setitem(recipes.RECIPES, "versitygw", _named(_recipe(failing), "versitygw"))
    started = time.monotonic()
    with pytest.raises(ProvisionError, match="exit code 1"):
        provision.parts(["toxiproxy", "versitygw"])
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert not (cache / "toxiproxy-1").exists()


def test_a_finish_that_fails_costs_only_speed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def finish(_folder: Path, _tools: Tools) -> None:
        raise ProvisionError("no archive")

    recipe = _recipe("pass", finish=finish, finished=lambda _folder: False)
    monkeypatch.setitem(recipes.RECIPES, "toxiproxy", recipe)
    said: list[str] = []
    provision.parts(["toxiproxy"], lambda _part, text, _done: said.append(text))
    assert said[-1] == "toxiproxy 1 is ready, but it will start slowly: no archive"
    assert (cache / "toxiproxy-1").is_dir()


def _named(recipe: Recipe, name: str) -> Recipe:
    return Recipe(name, recipe.version, recipe.make, recipe.needs)
