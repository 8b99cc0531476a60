"""Tables for people, and for what reads a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

__all__ = ["print_table"]

#: A pipe has no width to fit into: who reads it wants whole lines.
_PIPE_COLUMNS = 240


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal; where there is none, with every cell on one line."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_COLUMNS)
    console.print(table)
