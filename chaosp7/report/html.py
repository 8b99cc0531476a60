"""The page: one file that opens from disk, asks the network for nothing and works without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from chaosp7 import __version__
from chaosp7.report.embed import embedded
from chaosp7.report.model import page
from chaosp7.report.records import RunRecord

__all__ = ["html", "template"]

_ASSETS = files("chaosp7.report") / "assets"


def html(runs: Sequence[RunRecord]) -> str:
    """Return the page of some runs, also of none."""
    return template("template.html").render(
        page=page(runs),
        evidence=Markup(embedded(runs)),  # noqa: S704  # holds no `<`
        version=__version__,
    )


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def template(name: str) -> Template:
    """Return one of the pages' templates, with style and scripts at hand.

    Args:
        name: of the file among the assets.
    """
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for asset in ("style.css", "app.js", "uPlot.iife.min.js", "uPlot.min.css"):
        environment.globals[asset.replace(".", "_")] = Markup(_asset(asset))  # noqa: S704  # ours, or vendored
    return environment.get_template(name)
