"""Mutation run of the algebra: ``make mutation``.

For every module in ``modules.toml`` each mutant must be killed by a test of its files, or stand in
``survivors.toml`` with the reason why it decides nothing. Anything else ends with exit code 1.
What is known already is kept in ``.mutation/`` until the module or one of its tests changes, so
that a run goes on where it was ended.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import tomllib
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation.forks import CPU_LEAST_S, Fate, Killing, kill_by_import, kill_patchable
from tests.mutation.operators import Mutant, mutants

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
STATE = ROOT / ".mutation"
CPU_OF_IMPORT_S = 60


@dataclass(slots=True)
class Results:
    """The fates of one module's mutants, kept on disk."""

    file: Path
    stamp: str
    fates: dict[str, str | None] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(cls, module: Path, tests: list[str], *, keep_killed: bool) -> Results:
        file = STATE / f"{'.'.join(module.with_suffix('').parts)}.json"
        parts = [module, *map(Path, tests), HERE.relative_to(ROOT) / "operators.py"]
        own = hashlib.sha256((ROOT / module).read_bytes()).hexdigest()
        stamp = hashlib.sha256(b"".join((ROOT / p).read_bytes() for p in parts)).hexdigest()
        results = cls(file, f"{own} {stamp}")
        if file.exists():
            known = json.loads(file.read_text())
            if known["stamp"] == results.stamp:
                results.fates, results.seconds = known["fates"], known["seconds"]
            elif keep_killed and known["stamp"].startswith(own):
                results.fates = {key: by for key, by in known["fates"].items() if by is not None}
                results.seconds = known["seconds"]
        return results

    def save(self) -> None:
        STATE.mkdir(exist_ok=True)
        draft = self.file.with_suffix(".tmp")
        draft.write_text(json.dumps({"stamp": self.stamp, "seconds": self.seconds, "fates": self.fates}))
        draft.replace(self.file)


def run_module(module: Path, tests: list[str], jobs: int, results: Results) -> bool:
    """Try the mutants of a module whose fate isn't known; returns whether its tests are sound."""
    path = ROOT / module
    name = ".".join(module.with_suffix("").parts)
    everything = list(mutants(path.read_text()))
    results.fates = {m.key: results.fates[m.key] for m in everything if m.key in results.fates}
    left = [m for m in everything if m.key not in results.fates]
    began_s = time.monotonic()
    done_s = results.seconds

    def told(mutant: Mutant, fate: Fate) -> None:
        results.fates[mutant.key] = fate.killer
        results.seconds = done_s + time.monotonic() - began_s
        if fate.killer is None:
            print(f"  lives: {mutant.key}", flush=True)
        if len(results.fates) % 20 == 0:
            results.save()

    sound = True
    patchable = [m for m in left if m.patchable]
    if patchable:
        sound = kill_patchable(Killing(name, path, patchable, jobs, told), tests)
    results.save()
    return sound


def run_imports(module: Path, tests: list[str], results: Results) -> None:
    path = ROOT / module
    name = ".".join(module.with_suffix("").parts)
    began_s, done_s = time.monotonic(), results.seconds
    for mutant in mutants(path.read_text()):
        if mutant.key not in results.fates and not mutant.patchable:
            fate = kill_by_import(name, path, mutant, tests, CPU_LEAST_S + CPU_OF_IMPORT_S)
            results.fates[mutant.key] = fate.killer
            if fate.killer is None:
                print(f"  lives: {mutant.key}", flush=True)
    results.seconds = done_s + time.monotonic() - began_s
    results.save()


def in_a_process(module: Path, tests: list[str], jobs: int, *, keep_killed: bool) -> bool:
    """Run a module in a fork: it imports what the next one must be able to import anew."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            results = Results.of(module, tests, keep_killed=keep_killed)
            code = 0 if run_module(module, tests, jobs, results) else 1
        except BaseException:  # noqa: BLE001 - it is told, and the fork ends
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        return False
    run_imports(module, tests, Results.of(module, tests, keep_killed=keep_killed))
    return True


def main() -> int:
    """Run what was asked for; see the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="parts of module paths; default: all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--keep-killed", action="store_true", help="after tests were added: try only survivors"
    )
    parser.add_argument("--list", action="store_true", help="print the table of what is known, run nothing")
    options = parser.parse_args()
    os.chdir(ROOT)
    mapped = tomllib.loads((HERE / "modules.toml").read_text())["modules"]
    listed = tomllib.loads((HERE / "survivors.toml").read_text()).get("survivor", [])
    wanted = {m: t for m, t in mapped.items() if not options.modules or any(w in m for w in options.modules)}
    rows, good = [], True
    for name, tests in wanted.items():
        module = Path(name)
        if not options.list:
            print(name, flush=True)
            good &= in_a_process(module, tests, options.jobs, keep_killed=options.keep_killed)
        results = Results.of(module, tests, keep_killed=options.keep_killed)
        alive = {key for key, by in results.fates.items() if by is None}
        reasons = {f"{s['where']}: {s['mutant']}" for s in listed if s["module"] == name}
        for key in sorted(alive - reasons):
            print(f"{name}: not killed, and not in survivors.toml: {key}")
        for key in sorted(reasons - alive):
            print(f"{name}: in survivors.toml, but it doesn't live: {key}")
        good &= alive == reasons
        rows.append((name, len(results.fates), len(results.fates) - len(alive), len(alive), results.seconds))
    print("\n| module | mutants | killed | equivalent | seconds |\n|---|---|---|---|---|")
    for row in [*rows, ("in all", *(sum(c) for c in list(zip(*rows, strict=True))[1:]))]:
        print("| {} | {} | {} | {} | {:.0f} |".format(*row))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
