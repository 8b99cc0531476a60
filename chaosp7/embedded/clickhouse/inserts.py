"""INSERT statements with their data behind them.

chdb takes a text that may hold several statements, and looks for where one ends: in binary data it
finds semicolons that end nothing. So the data is handed over as a file in memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["handed_over"]

_STATEMENT_BYTES_MAX: Final = 1 << 16
_INSERT = re.compile(
    # Nothing but a table and its columns before FORMAT: what is further behind is a value's text.
    rb"\s*(?P<into>INSERT\s+INTO\b[^'(]*?(?:\((?:[^'()]|\([^'()]*\))*\)\s*)?)(?P<settings>\bSETTINGS\b[^()]*?)?"
    rb"\bFORMAT\s+(?P<format>\w+)[ \t]*;?[ \t]*\r?\n",
    re.IGNORECASE | re.DOTALL,
)


@contextmanager
def handed_over(sql: bytes) -> Iterator[bytes]:
    """Give a statement in the form in which chdb takes it, for as long as the context lasts.

    Args:
        sql: ``INSERT INTO t (a, b) FORMAT Native``, a newline, the data; anything else is given
            back as it is.
    """
    match = _INSERT.match(sql, 0, _STATEMENT_BYTES_MAX)
    if match is None or match.end() == len(sql):
        yield sql
        return
    descriptor = os.memfd_create("chaosp7-insert")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(memoryview(sql)[match.end() :])
        path = f"/proc/self/fd/{descriptor}".encode()
        yield b"%s FROM INFILE '%s' COMPRESSION 'none' %s FORMAT %s" % (
            match["into"].strip(), path, (match["settings"] or b"").strip(), match["format"],
        )  # fmt: skip
    finally:
        os.close(descriptor)
