"""Runs the tests of one module against its mutants: collected once, one fork per mutant.

A mutant inside a function replaces that function's code object in place, so that everything that
has imported it already gets it. One outside (a constant, a default) is imported anew.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.operators import Mutant

#: A mutant may use this much more CPU time than all the tests do without one.
CPU_TIMES = 5
CPU_LEAST_S = 5
#: Seconds of wall time, however busy the machine is.
WALL_S = 180
#: Address space beyond what the tests have when they begin.
MEMORY_BYTES = 1 << 30

EXAMPLES_MAX = 40


def profile() -> None:
    """Make Hypothesis the same every time, and short: what fails isn't made smaller."""
    settings.register_profile(
        "mutation",
        derandomize=True,
        max_examples=EXAMPLES_MAX,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: the test that failed, ``time`` or ``crash``; None: it lives."""

    killer: str | None


@dataclass(slots=True)
class _Child:
    mutant: Mutant
    pid: int
    pipe: int
    folder: tempfile.TemporaryDirectory[str]
    until_s: float


class Killing:
    """A pytest plugin whose loop runs the collected tests once per mutant.

    Args:
        module: name of the module.
        path: its file.
        mutants: to be tried.
        jobs: how many at once.
        told: is called with each mutant's fate.
    """

    def __init__(
        self,
        module: str,
        path: Path,
        mutants: Sequence[Mutant],
        jobs: int,
        told: Callable[[Mutant, Fate], None],
    ) -> None:
        self.module = module
        self.path = path
        self.mutants = mutants
        self.jobs = jobs
        self.told = told
        self.sound = False
        """Whether the tests pass without a mutant."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            test = getattr(item, "obj", None)
            given: settings | None = getattr(test, "_hypothesis_internal_use_settings", None)
            if given is not None and given.max_examples > EXAMPLES_MAX:
                test._hypothesis_internal_use_settings = settings(given, max_examples=EXAMPLES_MAX)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return True
        gc.freeze()
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = self._start(session, list(session.items), None, 600)
        fate = self._end(child, os.waitpid(child.pid, 0)[1])
        if fate.killer is not None:
            print(f"{self.module}: fails without a mutant: {fate.killer}", file=sys.stderr)
            return True
        self.sound = True
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = used.ru_utime + used.ru_stime - began.ru_utime - began.ru_stime
        self._all(session, int(CPU_LEAST_S + CPU_TIMES * cpu_s))
        return True

    def _all(self, session: pytest.Session, cpu_s: int) -> None:
        items = list(session.items)
        waiting = list(reversed(self.mutants))
        running: dict[int, _Child] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                child = self._start(session, items, waiting.pop(), cpu_s)
                running[child.pid] = child
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                for child in running.values():
                    if time.monotonic() > child.until_s:
                        os.kill(child.pid, signal.SIGKILL)
                time.sleep(0.005)
                continue
            child = running.pop(pid)
            fate = self._end(child, status)
            self.told(child.mutant, fate)
            # What has killed one is tried first on the next, most often of the same function.
            for index, item in enumerate(items):
                if item.nodeid == fate.killer:
                    items.insert(0, items.pop(index))
                    break

    def _start(
        self, session: pytest.Session, items: list[pytest.Item], mutant: Mutant | None, cpu_s: int
    ) -> _Child:
        folder = tempfile.TemporaryDirectory(prefix="mutant-")
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 2
            try:
                os.close(out)
                os.environ["PYTEST_DEBUG_TEMPROOT"] = folder.name
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, 1)
                os.dup2(nothing, 2)
                _limit(cpu_s)
                killer = None
                try:
                    if mutant is not None:
                        patch(self.module, self.path, mutant)
                except Exception:  # noqa: BLE001 - whatever it is, the module can't be used
                    killer = "import"
                killer = killer or _first_failure(session, items)
                os.write(into, (killer or "").encode())
                code = 0 if killer is None else 1
            except BaseException as error:  # noqa: BLE001 - a child never goes back into the loop
                with contextlib.suppress(BaseException):
                    os.write(into, f"crash: {error!r}".encode())
            finally:
                os._exit(code)
        os.close(into)
        return _Child(mutant or NOTHING, pid, out, folder, time.monotonic() + WALL_S)

    def _end(self, child: _Child, status: int) -> Fate:
        said = b""
        while part := os.read(child.pipe, 65536):
            said += part
        os.close(child.pipe)
        child.folder.cleanup()
        if os.WIFSIGNALED(status):
            by = os.WTERMSIG(status)
            return Fate("time" if by in {signal.SIGXCPU, signal.SIGKILL} else f"crash: signal {by}")
        if os.WEXITSTATUS(status) == 0:
            return Fate(None)
        return Fate(said.decode(errors="replace") or "crash")


NOTHING = Mutant("", False, "", "", 1, ast.Module([], []))


def _limit(cpu_s: int) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 2))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit_bytes = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def _first_failure(session: pytest.Session, items: list[pytest.Item]) -> str | None:
    for index, item in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return item.nodeid
    return None


def patch(module: str, path: Path, mutant: Mutant) -> None:
    """Put a mutant into this process: for good."""
    code = compile(mutant.tree, str(path), "exec")
    if module not in sys.modules:
        sys.meta_path.insert(0, _Mistaken(module, path, code))
        return
    parts = mutant.where.split(".")
    for part in parts:
        candidates = (c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == part)
        code = next(candidates)
    functions = [f for f in gc.get_objects() if isinstance(f, types.FunctionType)]
    gc.unfreeze()
    functions += [f for f in gc.get_objects() if isinstance(f, types.FunctionType)]
    found = False
    for function in functions:
        if function.__module__ == module and function.__qualname__ == mutant.where:
            function.__code__ = code
            found = True
    if not found:
        raise LookupError(f"{mutant.where} isn't in {module}")


class _Mistaken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a mutant's code."""

    def __init__(self, module: str, path: Path, code: types.CodeType) -> None:
        self._module = module
        self._path = path
        self._code = code

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        del path, target
        if fullname == self._module:
            return importlib.util.spec_from_file_location(fullname, self._path, loader=self)
        return None

    def create_module(self, spec: Any) -> None:
        del spec

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - that is what an import does


class _One:
    """A plugin that runs what was collected until the first failure, and keeps its name."""

    def __init__(self) -> None:
        self.killer: str | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        Killing.pytest_collection_modifyitems(None, items)  # type: ignore[arg-type]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.killer is None:
            self.killer = report.nodeid


def arguments(files: Sequence[str]) -> list[str]:
    """Return pytest's arguments: quiet, and without what would be in a fork's way."""
    return [
        *files,
        "-q",
        "-x",
        "-o",
        "timeout=0",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "no:faulthandler",
        "--capture=no",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]


def kill_patchable(killing: Killing, files: Sequence[str]) -> bool:
    """Collect the tests in a process of its own and run them against mutants in functions."""
    profile()
    with _silent():
        pytest.main(arguments(files), plugins=[killing])
    return killing.sound


def kill_by_import(module: str, path: Path, mutant: Mutant, files: Sequence[str], cpu_s: int) -> Fate:
    """Try a mutant outside of functions: the module and its tests are imported with it."""
    folder = tempfile.TemporaryDirectory(prefix="mutant-")
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = folder.name
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            _limit(cpu_s)
            profile()
            patch(module, path, mutant)
            one = _One()
            try:
                # Here and not in a test: pytest's own importer of what plugins are made of would be asked first.
                importlib.import_module(module)
                status = pytest.main(arguments(files), plugins=[one])
            except Exception:  # noqa: BLE001 - whatever it is, the module can't be used
                status = 1
            code = 0 if status == 0 else 1
            os.write(into, (one.killer or "import" if code else "").encode())
        finally:
            os._exit(code)
    os.close(into)
    deadline_s = time.monotonic() + WALL_S
    status = 0
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline_s:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    said = os.read(out, 65536).decode(errors="replace")
    os.close(out)
    folder.cleanup()
    if os.WIFSIGNALED(status):
        return Fate("time")
    return Fate(None if os.WEXITSTATUS(status) == 0 else said or "crash")


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
        yield
