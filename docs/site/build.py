"""From the repository to HTML: sources are laid out as in the repository, then Sphinx builds them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from chaosp7 import __version__
from docs.site.api import api_pages
from docs.site.cli import cli_page
from docs.site.experiments import experiments_page
from docs.site.faults import faults_page
from docs.site.navigation import index_page, sections_of

__all__ = ["REPOSITORY", "build"]

REPOSITORY = Path(__file__).parents[2]

#: What of the repository is a page, beside docs/*.md; README.md becomes the first one.
_PAGES = ("CHANGELOG.md", "benchmarks/RESULTS.md")
#: What pages link to as it is.
_FILES = "platforms/*.yaml"


def build(into: Path) -> bool:
    """Build the site anew: a warning of yesterday's pages must be one today.

    Args:
        into: the folder; its ``source`` and ``html`` are replaced.

    Returns:
        Whether there was neither an error nor a warning; they are on stderr.
    """
    source, html, doctrees = (into / name for name in ("source", "html", "doctrees"))
    for folder in (source, html, doctrees):
        shutil.rmtree(folder, ignore_errors=True)
    _lay_out(source)
    app = Sphinx(
        source, None, html, doctrees, "html", confoverrides=_settings(), status=None, warningiserror=True
    )
    app.connect("autodoc-process-signature", _shorten)
    app.build(force_all=True)
    return app.statuscode == 0


def _lay_out(source: Path) -> None:
    """Put pages where they are in the repository, so that a link is right there and here."""
    copied = [
        *REPOSITORY.glob("docs/*.md"),
        *REPOSITORY.glob(_FILES),
        *(REPOSITORY / page for page in _PAGES),
    ]
    for path in copied:
        _write(source / path.relative_to(REPOSITORY), path.read_text(encoding="utf-8"))
    generated = {
        "experiments.md": experiments_page(REPOSITORY / "experiments"),
        "reference/cli.md": cli_page(),
        "reference/faults.md": faults_page(),
        **api_pages(),
    }
    for name, text in generated.items():
        _write(source / name, text)
    sections = sections_of((REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8"))
    pages = {str(path.relative_to(REPOSITORY).with_suffix("")) for path in copied if path.suffix == ".md"}
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    _write(source / "index.md", index_page(readme, sections, pages))


def _shorten(*given: Any) -> tuple[str | None, str | None]:
    """Say `Tier` for `~chaosp7.platform.model.Tier`: of a msgspec struct autodoc leaves the mark standing."""
    *_, signature, returns = given
    return signature and re.sub(r"~(?:\w+\.)*", "", signature), returns


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _settings() -> dict[str, object]:
    return {
        "project": "chaosp7",
        "release": __version__,
        "extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"],
        "html_theme": "furo",
        "html_title": f"chaosp7 {__version__}",
        "html_show_copyright": False,
        "html_copy_source": False,
        "html_show_sourcelink": False,
        # GitHub gives headings of every depth an anchor; links count on it.
        "myst_heading_anchors": 4,
        # Dashes only: quotes stay as they are typed.
        "smartquotes_action": "D",
        # Docstrings name objects in single backticks.
        "default_role": "py:obj",
        "napoleon_numpy_docstring": False,
        "autodoc_member_order": "bysource",
        "python_use_unqualified_type_names": True,
    }
