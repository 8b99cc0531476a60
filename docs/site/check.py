"""Look at what was built: every link and anchor inside leads somewhere, nothing is asked of the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Page", "problems", "read"]

#: What a browser fetches by itself: element -> attribute. An `a` is followed only by whoever clicks.
_FETCHED = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "input": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "track": "src",
    "video": "src",
}
#: Links of a head that name a page, and fetch nothing.
_NAMED_ONLY = {"alternate", "author", "canonical", "index", "next", "prev", "search"}


@dataclass
class Page:
    """What a page has and refers to.

    Attributes:
        anchors: its ids and names.
        links: what can be clicked.
        resources: what is fetched when it is opened.
    """

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.page.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        named = tag == "link" and set(given.get("rel", "").split()) <= _NAMED_ONLY
        if target := given.get(_FETCHED.get(tag, "")):
            (self.page.links if named else self.page.resources).append(target)
        if "srcset" in given:
            self.page.resources += [one.split()[0] for one in given["srcset"].split(",")]


def read(path: Path) -> Page:
    """Read a page.

    Args:
        path: its file.
    """
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def problems(site: Path) -> list[str]:
    """Return what is wrong with a built site, one line each.

    Args:
        site: its folder.
    """
    pages = {path: read(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        return [f"{site} has no page"]
    return [
        f"{path.relative_to(site)}: {problem}"
        for path, page in pages.items()
        for problem in _of_page(site.resolve(), path.resolve(), page, pages)
    ] + list(_of_styles(site))


def _of_page(site: Path, path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    known = {other.resolve(): one for other, one in pages.items()}
    for target in page.resources:
        if _elsewhere(target):
            yield f"fetches {target}"
    for target in (*page.links, *page.resources):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not there.is_file() or not there.is_relative_to(site):
            yield f"{target} isn't there"
        elif parts.fragment and there in known and unquote(parts.fragment) not in known[there].anchors:
            yield f"{target}: no such anchor"


def _elsewhere(target: str) -> bool:
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def _of_styles(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.css")):
        text = path.read_text(encoding="utf-8").replace('"', "").replace("'", "")
        for scheme in ("http://", "https://", "//"):
            if f"url({scheme}" in text or f"@import {scheme}" in text:
                yield f"{path.relative_to(site)}: fetches from {scheme}"
