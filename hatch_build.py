"""Build hook: names the top-level packages in the wheel's metadata, which hatchling doesn't.

``chaos discover chaosp7`` looks for the package of a distribution and takes the first that it
finds. Unnamed, that is `chaosp7` or `probes` as the hash seed has it, and none at all in a
development installation on Python 3.11.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_TOP_LEVEL = ("chaosp7", "probes")


class TopLevelHook(BuildHookInterface[Any]):
    """Adds ``top_level.txt``, the first name being the one that `discover` is in."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file and have it included."""
        del version  # "standard" or "editable": both get it
        self._folder = TemporaryDirectory()
        path = Path(self._folder.name, "top_level.txt")
        path.write_text("".join(f"{name}\n" for name in _TOP_LEVEL), encoding="utf-8")
        metadata = f"{self.build_config.builder.artifact_project_id}.dist-info"
        build_data["force_include"][str(path)] = f"{metadata}/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove it again."""
        del version, build_data, artifact_path
        self._folder.cleanup()
