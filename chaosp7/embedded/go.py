"""Build programs with Go; one that is too old for them gets a newer one first, from where it gets modules.

From Go 1.21 on it does so by itself. Debian 12 has 1.19, which stops at the first line of a newer ``go.mod``.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from chaosp7.embedded.tools import Tools
from chaosp7.errors import ProvisionError

__all__ = ["go_install"]

_HELPS_ITSELF = (1, 21)

#: A Go as a module: what a Go that helps itself would take.
_NEWER = "golang.org/toolchain@v0.0.1-go1.25.4.linux-{arch}"


def go_install(module: str, version: str, binary: str, ldflags: str) -> Callable[[Path, Tools], None]:
    """Return a recipe's step that builds one program into a folder.

    Args:
        module: its package's path.
        version: of the module.
        binary: what it is to be called.
        ldflags: for the linker.
    """

    def make(folder: Path, tools: Tools) -> None:
        # Pure Go: no C compiler is needed, and the result runs on any Linux.
        env = {"GOBIN": str(folder), "CGO_ENABLED": "0"}
        go, own = _go(folder, tools)
        build = [go, "install", "-trimpath", "-ldflags", ldflags, f"{module}@{version}"]
        tools.run(build, folder, {**env, **own})
        built = folder / module.rsplit("/", 1)[-1]
        if built.name != binary:
            built.rename(folder / binary)

    return make


def _go(folder: Path, tools: Tools) -> tuple[str | Path, dict[str, str]]:
    """Return a Go that is new enough, and the environment that it takes.

    Raises:
        ProvisionError: if there is none, and none can be had.
    """
    asked = ["go", "env", "GOVERSION", "GOMODCACHE", "GOARCH"]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProvisionError(f"`go env` failed: {done.stderr.strip()}")
    version, modules, arch = done.stdout.splitlines()
    match = re.search(r"go(\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) >= _HELPS_ITSELF:
        return "go", {}
    newer = _NEWER.format(arch=arch)
    tools.run(["go", "mod", "download", newer], folder)
    root = Path(modules) / newer
    # A module's files aren't executable: a Go that helps itself makes these so, too.
    for program in (*root.glob("bin/*"), *root.glob("pkg/tool/*/*")):
        program.chmod(0o755)
    return root / "bin" / "go", {"GOROOT": str(root)}
