"""Get the parts of the embedded platform that the Python package index doesn't have.

They lie in ``$XDG_CACHE_HOME or ~/.cache``/chaosp7, one folder per part and version, made once
per user: a folder is filled under another name and renamed when it is whole, under a lock, so
that several processes can provision at once and a kill leaves nothing half-made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chaosp7.embedded.kafka import KafkaParts
from chaosp7.embedded.recipes import RECIPES, Recipe, find_java, kafka_archive
from chaosp7.embedded.tools import Tools
from chaosp7.errors import ChaosP7Error, ProvisionError

__all__ = ["ALL", "COLD", "NEEDED", "Parts", "Progress", "missing", "parts"]

#: Every part there is a recipe for.
ALL = tuple(RECIPES)

#: The parts that no embedded platform can do without.
NEEDED = ("kafka", "toxiproxy")

#: What a cold tier needs beside them.
COLD = ("versitygw",)

#: Is called with a part, what happens to it, and whether that is the end of it.
Progress = Callable[[str, str, bool], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts are.

    Attributes:
        cache: the folder that holds them.
    """

    cache: Path

    @property
    def kafka(self) -> KafkaParts:
        """The broker's parts."""
        folder = self._folder("kafka")
        return KafkaParts(find_java(), folder / "lib", folder / "template", kafka_archive(folder))

    @property
    def toxiproxy(self) -> Path:
        """Toxiproxy's server, an executable."""
        return self._folder("toxiproxy") / "toxiproxy-server"

    @property
    def versitygw(self) -> Path:
        """The S3 gateway, an executable."""
        return self._folder("versitygw") / "versitygw"

    def _folder(self, name: str) -> Path:
        folder = _folder(self.cache, RECIPES[name])
        if not folder.exists():
            raise ProvisionError(f"{name} isn't there: run `chaosp7 provision`")
        return folder


def parts(names: Sequence[str] = NEEDED, progress: Progress | None = None) -> Parts:
    """Return the parts; what is missing is made first, several at once.

    Args:
        names: which ones.
        progress: is told what happens, from several threads; not called if all is there.

    Raises:
        ProvisionError: if a part can't be had; the message says what to install.
    """
    cache = _cache()
    wanted = [RECIPES[name] for name in missing(names)]
    if not wanted:
        return Parts(cache)
    for recipe in wanted:
        if not _folder(cache, recipe).exists():
            recipe.check_tools()
    cache.mkdir(parents=True, exist_ok=True)
    report = progress or (lambda _part, _message, _done: None)
    tools = Tools()
    with ThreadPoolExecutor(len(wanted), "provision") as pool:
        futures = [pool.submit(_install, cache, recipe, tools, report) for recipe in wanted]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            # Also a Ctrl-C: leaving the pool waits for its threads, and they wait for tools.
            tools.cancel()
            raise
    return Parts(cache)


def missing(names: Sequence[str] = ALL) -> list[str]:
    """Return which of these parts are not there or not finished."""
    cache = _cache()
    return [name for name in names if not _complete(_folder(cache, RECIPES[name]), RECIPES[name])]


def _install(cache: Path, recipe: Recipe, tools: Tools, report: Progress) -> None:
    folder = _folder(cache, recipe)
    title = f"{recipe.name} {recipe.version}"
    report(recipe.name, f"getting {title}", False)
    with _locked(
        cache / f".{recipe.name}.lock", lambda: report(recipe.name, "waiting for another process", False)
    ):
        # Another process may have made it while we waited.
        if not folder.exists():
            with _in_the_making(cache, folder) as making:
                recipe.make(making, tools)
        note = ""
        if recipe.finish and not recipe.finished(folder):
            report(recipe.name, f"trying {title}", False)
            try:
                recipe.finish(folder, tools)
            except ChaosP7Error as error:
                if not folder.exists() or str(error) == "cancelled":
                    raise
                note = f", but it will start slowly: {error}"
    report(recipe.name, f"{title} is ready{note}", True)


@contextmanager
def _in_the_making(cache: Path, folder: Path) -> Iterator[Path]:
    """Give a folder to fill; it takes its place if all goes well, and vanishes otherwise."""
    prefix = f".{folder.name}-"
    for leftover in cache.glob(f"{prefix}*"):
        # Of a process that was killed: we hold the part's lock, so nobody works on it.
        shutil.rmtree(leftover, ignore_errors=True)
    making = Path(tempfile.mkdtemp(dir=cache, prefix=prefix))
    try:
        yield making
        making.chmod(0o755)
        making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _complete(folder: Path, recipe: Recipe) -> bool:
    with suppress(ProvisionError):  # no JVM: said when the broker is to be started
        return folder.exists() and recipe.finished(folder)
    return folder.exists()


def _folder(cache: Path, recipe: Recipe) -> Path:
    return cache / f"{recipe.name}-{recipe.version}"


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "chaosp7"
