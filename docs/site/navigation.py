"""The navigation: docs/README.md is it, in the repository by its links and on the site beside every page."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

__all__ = ["index_page", "sections_of"]

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#:]+)\.md\)")
_OVERVIEW = "docs/README"

#: What only the site has, at the end of a section of docs/README.md.
GENERATED = {
    "Reference": [
        "reference/faults",
        "experiments",
        "reference/cli",
        "reference/platform",
        "reference/actions",
        "reference/probes",
        "reference/controls",
        "reference/runs",
        "reference/errors",
    ],
}


def sections_of(readme: str) -> dict[str, list[str]]:
    """Return the sections of docs/README.md: title -> the pages that its list links to, in order.

    Args:
        readme: its text.

    Raises:
        ValueError: if the site has pages for a section that isn't there.
    """
    _, *parts = _HEADING.split(readme)
    found = {
        title: [_from_root(target) for target in _LINK.findall(text)]
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }
    if missing := GENERATED.keys() - found.keys():
        raise ValueError(f"docs/README.md has no section {', '.join(sorted(missing))}")
    return {title: [*pages, *GENERATED.get(title, [])] for title, pages in found.items()}


def _from_root(target: str) -> str:
    return target.removeprefix("../") if target.startswith("../") else f"docs/{target}"


def index_page(readme: str, sections: Mapping[str, Sequence[str]], pages: Collection[str]) -> str:
    """Return the first page: the repository's README, and the navigation.

    Args:
        readme: its text.
        sections: title -> pages.
        pages: every page that was copied: one that nothing leads to is a mistake.

    Raises:
        ValueError: if a page is in no section.
    """
    listed = {_OVERVIEW, *(page for section in sections.values() for page in section)}
    if forgotten := set(pages) - listed:
        raise ValueError(f"docs/README.md doesn't link to {', '.join(f'{p}.md' for p in sorted(forgotten))}")
    trees = [_tree("", [_OVERVIEW]), *(_tree(title, section) for title, section in sections.items())]
    return "\n".join([readme, *trees])


def _tree(title: str, pages: Sequence[str]) -> str:
    caption = f":caption: {title}\n" if title else ""
    return "```{toctree}\n:hidden:\n" + caption + "\n" + "\n".join(pages) + "\n```\n"
