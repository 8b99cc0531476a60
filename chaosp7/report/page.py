"""The page of one run, beside its evidence."""

from __future__ import annotations

import logging
from pathlib import Path

from chaosp7 import report
from chaosp7.errors import ChaosP7Error

__all__ = ["PAGE", "write_page"]

logger = logging.getLogger("chaostoolkit")

#: Its name, in the run's folder.
PAGE = "report.html"


def write_page(folder: Path) -> None:
    """Write the page of a run; whether that succeeds is nothing to the verdict.

    Args:
        folder: the run's.
    """
    page = folder / PAGE
    try:
        report.write([folder], html=page)
    except Exception as error:
        logger.warning(
            "The report can't be written: %s",
            error,
            exc_info=None if isinstance(error, ChaosP7Error) else error,
        )
    else:
        logger.info("Report: %s", page)
