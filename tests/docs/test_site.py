"""The site builds without network, everything in it leads somewhere, and all that is public is in it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chaosp7 import discover, errors
from chaosp7.suite.codes import EXIT_CODES
from docs.site.api import of_kind
from docs.site.check import problems, read
from docs.site.cli import every_command
from docs.site.navigation import index_page, sections_of
from tests.waiting import PATIENCE_S

REPOSITORY = Path(__file__).parents[2]
COMMANDS = dict(every_command())

#: Builds the site in a process that can't reach anybody.
OFFLINE = """
import runpy, socket, sys
def refuse(*_):
    raise OSError("the build asked the network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
sys.argv = ["docs.site", "--into", sys.argv[1]]
runpy.run_module("docs.site", run_name="__main__")
"""


def built(into: Path, repository: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", OFFLINE, str(into)],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("docs")
    done = built(into)
    assert done.returncode == 0, done.stderr
    return into / "html"


class Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


@cache
def words(page: Path) -> str:
    parser = Words()
    parser.feed(page.read_text())
    return " ".join(parser.text.split())


def test_every_link_and_anchor_leads_somewhere_and_nothing_is_fetched(site: Path) -> None:
    assert problems(site) == []


def test_every_page_of_the_repository_is_in_the_navigation_of_the_first_page(site: Path) -> None:
    links = {link.partition("#")[0] for link in read(site / "index.html").links}
    pages = {f"docs/{path.stem}.html" for path in (REPOSITORY / "docs").glob("*.md")}
    assert pages | {"CHANGELOG.html", "benchmarks/RESULTS.html"} <= links


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_with_all_its_help(site: Path, name: str) -> None:
    page = site / "reference" / "cli.html"
    assert name.replace(" ", "-") in read(page).anchors
    context = COMMANDS[name]
    assert " ".join(context.command.get_help(context).split()) in words(page)


def test_the_commands_of_groups_are_among_them() -> None:
    assert {"chaosp7", "chaosp7 run", "chaosp7 platform up"} <= COMMANDS.keys()


def test_every_exit_code_of_a_suite_is_there(site: Path) -> None:
    text = words(site / "reference" / "cli.html")
    assert all(f"{code} {verdict}" in text for verdict, code in EXIT_CODES.items())


def test_whatever_chaos_discover_lists_has_its_entry(site: Path) -> None:
    found = {"action": 0, "probe": 0, "control": 0}
    anchors = {kind: read(site / "reference" / f"{kind}s.html").anchors for kind in found}
    activities = discover()["activities"]
    assert isinstance(activities, list)
    for activity in activities:
        kind, name = activity["type"], f"{activity['mod']}.{activity['name']}"
        assert name in anchors[kind]
        text = words(site / "reference" / f"{kind}s.html")
        assert all(argument["name"] in text for argument in activity["arguments"])
        found[kind] += 1
    assert all(found.values()), found


def test_every_fault_has_its_steps(site: Path) -> None:
    text = words(site / "reference" / "faults.html")
    for module, functions in of_kind("action").items():
        short = module.rpartition(".")[2]
        described = importlib.import_module(module).__doc__
        assert described is not None
        for function in functions:
            assert (f"{short}.{function}" in text) == (short != "start")


def test_every_error_has_its_entry(site: Path) -> None:
    anchors = read(site / "reference" / "errors.html").anchors
    assert {f"chaosp7.errors.{name}" for name in errors.__all__} <= anchors


def test_every_experiment_has_its_entry(site: Path) -> None:
    anchors = read(site / "experiments.html").anchors
    assert {path.stem for path in (REPOSITORY / "experiments").glob("*.json")} <= anchors


GOOD = '<html><body><h1 id="top">x</h1><a href="other.html#there">y</a></body></html>'
OTHER = '<html><body><p id="there"></p></body></html>'


def checked(folder: Path, page: str, style: str = "") -> list[str]:
    (folder / "page.html").write_text(page)
    (folder / "other.html").write_text(OTHER)
    (folder / "style.css").write_text(style)
    return problems(folder)


def test_a_page_with_nothing_wrong_has_no_problem(tmp_path: Path) -> None:
    assert checked(tmp_path, GOOD + '<a href="https://example.org">z</a>', "a{background:url(x.png)}") == []


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ('<a href="gone.html">x</a>', "isn't there"),
        ('<a href="other.html#gone">x</a>', "no such anchor"),
        ('<a href="#gone">x</a>', "no such anchor"),
        ('<a href="../outside.html">x</a>', "isn't there"),
        ('<img src="gone.png">', "isn't there"),
        ('<img src="https://example.org/x.png">', "fetches"),
        ('<img src="//example.org/x.png">', "fetches"),
        ('<img srcset="https://example.org/x.png 2x">', "fetches"),
        ('<script src="http://example.org/x.js"></script>', "fetches"),
        ('<link rel="stylesheet" href="https://example.org/x.css">', "fetches"),
        ('<link rel="preconnect" href="https://example.org">', "fetches"),
        ('<link rel="shortcut icon" href="https://example.org/x.ico">', "fetches"),
    ],
)
def test_what_leads_nowhere_or_is_fetched_is_a_problem(tmp_path: Path, page: str, problem: str) -> None:
    (found,) = [one for one in checked(tmp_path, page) if problem in one]
    assert found.startswith("page.html: ")


@pytest.mark.parametrize(
    "style", ["@import 'https://example.org/x.css'", 'a{src:url("//example.org/f.woff")}']
)
def test_a_style_that_fetches_is_a_problem(tmp_path: Path, style: str) -> None:
    assert any("style.css: fetches" in one for one in checked(tmp_path, GOOD, style))


def test_a_site_without_a_page_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path)


def test_a_page_that_nothing_leads_to_is_refused() -> None:
    sections = sections_of("# x\n\n## Tutorial\n\n- [a](a.md)\n\n## Reference\n\n- [b](../b.md#part)\n")
    assert sections["Tutorial"] == ["docs/a"]
    index_page("", sections, {"docs/a", "docs/README"})
    with pytest.raises(ValueError, match=r"docs/c\.md"):
        index_page("", sections, {"docs/a", "docs/c"})


def test_a_page_with_links_that_lead_nowhere_fails_the_build(tmp_path: Path) -> None:
    for folder in ("chaosp7", "probes", "platforms", "experiments", "benchmarks"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    for page in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("docs/site/*.py")):
        copy = tmp_path / page.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(page.read_text())
    with (tmp_path / "docs" / "suite.md").open("a") as file:
        file.write("\n[x](gone.md)\n[x](definitions.md#no-such-heading)\n[x](#nor-this-one)\n")
    done = built(tmp_path / "built", tmp_path)
    assert done.returncode == 1
    for target in ("gone.md", "no-such-heading", "nor-this-one"):
        assert [line for line in done.stderr.splitlines() if "suite.md" in line and f"'{target}'" in line]
