"""A Go that is too old for what is to be built gets a newer one; one that helps itself is left to it."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from chaosp7.embedded.go import go_install
from chaosp7.embedded.tools import Tools
from chaosp7.errors import ProvisionError


def go(folder: Path, version: str) -> None:
    """Put a `go` on the path that says it is of a version, and builds what says which Go has built it.

    Its modules are without an executable, as they come.
    """
    script = textwrap.dedent(f"""\
        #!/bin/sh
        modules={folder}/modules
        case "$1 $2" in
        "env GOVERSION") printf '%s\\n' {version} "$modules" amd64 ;;
        "mod download")
            mkdir -p "$modules/$3/bin" "$modules/$3/pkg/tool/linux_amd64"
            printf '#!/bin/sh\\nprintf "newer, of %%s" "$GOROOT" >"$GOBIN/server"\\n' >"$modules/$3/bin/go"
            : >"$modules/$3/pkg/tool/linux_amd64/compile" ;;
        "install -trimpath") printf own >"$GOBIN/server" ;;
        *) exit 3 ;;
        esac
        """)
    path = folder / "bin" / "go"
    path.parent.mkdir()
    path.write_text(script)
    path.chmod(0o755)


def built(folder: Path) -> str:
    into = folder / "into"
    into.mkdir()
    go_install("example.org/cmd/server", "v1.2.3", "the-server", "-s")(into, Tools())
    assert [path.name for path in into.iterdir()] == ["the-server"]
    return (into / "the-server").read_text()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize("version", ["go1.21.0", "go1.26.8", "go2.0", "devel"])
def test_a_go_that_helps_itself_builds(path: Path, version: str) -> None:
    go(path, version)
    assert built(path) == "own"


@pytest.mark.parametrize("version", ["go1.19.8", "go1.20.14"])
def test_an_older_one_gets_a_newer_one_that_builds(path: Path, version: str) -> None:
    go(path, version)
    said, newer = built(path).split(", of ")
    assert (said, Path(newer).parent.parent) == ("newer", path / "modules")
    for program in ("bin/go", "pkg/tool/linux_amd64/compile"):
        assert os.access(Path(newer) / program, os.X_OK)


def test_a_go_that_fails_is_told_with_what_it_said(path: Path) -> None:
    (path / "bin").mkdir()
    (path / "bin" / "go").write_text("#!/bin/sh\necho broken >&2; exit 2\n")
    (path / "bin" / "go").chmod(0o755)
    with pytest.raises(ProvisionError, match="broken"):
        built(path)
