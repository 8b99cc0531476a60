"""The page of the command line: what every `--help` says, word for word."""

from __future__ import annotations

from collections.abc import Iterator

import click

from chaosp7.cli import commands
from chaosp7.suite.codes import EXIT_CODES

__all__ = ["cli_page", "every_command"]

#: What fits into a page's column.
_WIDTH = 86

_HEAD = """# The command line

What `chaosp7 COMMAND --help` prints. Experiments are run by Chaos Toolkit's `chaos run`, or many of them by
[`chaosp7 run`](#chaosp7-run).
"""

_EXITS = """## Exit codes

A foreseen error (a wrong option, a file that isn't there, a platform that can't be reached) is one line on
stderr and exit code 2, for every command. Every other code is said by the command itself, above. `chaos run`
ends with 0 for the verdict `passed` and with 1 for every other one. `chaosp7 run` has a code per
[verdict](../docs/definitions.md#the-verdict), the gravest of its runs deciding:

| exit code | verdict |
|---|---|
"""


def cli_page() -> str:
    """Return the page, in Markdown."""
    parts = [_HEAD]
    for name, context in every_command():
        text = context.command.get_help(context)
        parts.append(f"## {name}\n\n```text\n{text}\n```\n")
    parts.append(
        _EXITS + "\n".join(f"| {code} | `{verdict}` |" for verdict, code in EXIT_CODES.items()) + "\n"
    )
    return "\n".join(parts)


def every_command() -> Iterator[tuple[str, click.Context]]:
    """Go through `chaosp7` and each command of it, those of groups included: its name, its context."""
    yield from _below(_context(commands, "chaosp7", None))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command, parent=parent, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH
    )


def _below(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    yield context.command_path, context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None:
                yield from _below(_context(command, name, context))
