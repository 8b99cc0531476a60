"""The pytest plugin: the fixtures ``platform``, ``messages`` and ``fault``, and the marker ``chaosp7``.

pytest imports this module at the start of every session in an environment that has chaosp7: whatever is
slow to import is imported by the fixture that needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from chaosp7.measure.account import Account
    from chaosp7.measure.held import Faults, HeldFault
    from chaosp7.measure.messages import Messages
    from chaosp7.pytest_plugin.platforms import Platforms, PlatformUp

__all__ = ["Account", "Faults", "HeldFault", "Messages", "PlatformUp"]

_MARKER = "chaosp7"
#: Why a test failed, in words; empty if it passed, None if it has no outcome.
_outcomes = pytest.StashKey[str | None]()
_messages = pytest.StashKey["Messages"]()

#: Names for annotations in tests, imported when somebody asks for them.
_LAZY = {
    "Account": "chaosp7.measure.account",
    "Faults": "chaosp7.measure.held",
    "HeldFault": "chaosp7.measure.held",
    "Messages": "chaosp7.measure.messages",
    "PlatformUp": "chaosp7.pytest_plugin.platforms",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module  # noqa: PLC0415 - see the module's docstring

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options and settings."""
    group = parser.getgroup("chaosp7")
    group.addoption("--chaosp7-platform", metavar="NAME", help="name or path of the platform file")
    group.addoption("--chaosp7-reports", metavar="FOLDER", help="where each test's evidence goes (reports)")
    parser.addini("chaosp7_platform", "name or path of the platform file", default="")
    parser.addini("chaosp7_reports", "where each test's evidence goes", default="reports")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "chaosp7(rate_per_s=500, duration_s=5, settle_s=5, seed=7, platform=None, budget=None, ...): "
        "load, platform and budget of the fixture `messages`; see chaosp7.measure.messages.Messages.begin",
    )


@pytest.fixture(scope="session")
def chaosp7_platforms(pytestconfig: pytest.Config) -> Iterator[Platforms]:
    """The platforms of this session, for fixtures of a wider scope: ``chaosp7_platforms.up("embedded")``."""
    from chaosp7.pytest_plugin.platforms import Platforms  # noqa: PLC0415

    with Platforms.of(pytestconfig) as platforms:
        yield platforms


@pytest.fixture
def platform(request: pytest.FixtureRequest, chaosp7_platforms: Platforms) -> PlatformUp:
    """The platform, healthy; brought up once in a session, and taken down at its end if it wasn't up before.

    It is that of the marker ``chaosp7(platform=...)``, of the option ``--chaosp7-platform``, of the setting
    ``chaosp7_platform``, of ``$CHAOSP7_PLATFORM``, or ``embedded``.
    """
    from chaosp7.pytest_plugin.runs import in_brief  # noqa: PLC0415

    marker = request.node.get_closest_marker(_MARKER)
    with in_brief():
        return chaosp7_platforms.up(marker.kwargs.get("platform") if marker else None)


@pytest.fixture
def messages(request: pytest.FixtureRequest, platform: PlatformUp) -> Iterator[Messages]:
    """A numbered load through the platform, recorded from the test's beginning; see `Messages`.

    If the test ends without having asked for the account, it is made all the same, and whatever is lost or
    wrong beyond the budget is an error.
    """
    from chaosp7.pytest_plugin.runs import begin, end, in_brief  # noqa: PLC0415

    node = request.node
    node.stash[_outcomes] = None
    with in_brief():
        begun = begin(node, platform)
    node.stash[_messages] = begun
    node.user_properties.append(("chaosp7_report", str(begun.report)))
    yield begun
    # A test without an outcome was interrupted, or skips: nobody waits for a drain then.
    with in_brief():
        end(begun, node.stash.get(_outcomes, None))


@pytest.fixture
def fault(messages: Messages) -> Faults:
    """Injects faults by name; see `Messages.fault`.

    ::

        with fault("kill", "redpanda"):
            ...

    What is still in force when the test asks for its account, or ends, is healed then.
    """
    return messages.fault


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how a test ended, and say beside a failure where the evidence is."""
    report = yield
    begun = item.stash.get(_messages, None)
    if begun is None:
        return report
    if call.excinfo is None:
        if call.when == "call":
            item.stash[_outcomes] = ""
    elif call.when != "teardown" and not call.excinfo.errisinstance(pytest.skip.Exception):
        item.stash[_outcomes] = call.excinfo.exconly().partition("\n")[0]
    if report.failed:
        evidence = begun.folder / "evidence.json"
        report.sections.append(("chaosp7", f"evidence: {evidence}\nreport: {begun.report}"))
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say which messages a failed comparison of a figure of the account is about."""
    module = sys.modules.get("chaosp7.measure.count")
    if module is None:
        return None
    counts = [side for side in (left, right) if isinstance(side, module.Count)]
    if not counts:
        return None
    from chaosp7.errors import ChaosP7Error  # noqa: PLC0415

    try:
        lines = [line for count in counts for line in count.why.splitlines()]
    except ChaosP7Error as error:  # the figure stands all the same
        lines = [f"which messages they are can't be told: {error}"]
    return [f"{left} {op} {right}", *lines]
