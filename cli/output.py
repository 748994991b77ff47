"""Where words go: data to standard output, messages to standard error. Plain unless a terminal reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cli.text import harmless

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


class OutputFormat(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"


WIDTH_OF_PIPES = 100
"""Columns assumed where no terminal tells."""
_UNBOUNDED = 500


def data_console() -> Console:
    """Return the console of standard output. NO_COLOR is honoured by Rich; a pipe gets plain text."""
    return _console(error=False)


def message_console() -> Console:
    """Return the console of standard error."""
    return _console(error=True)


def _console(*, error: bool, width_of_pipes: int = WIDTH_OF_PIPES) -> Console:
    from rich.console import Console

    class OurConsole(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to `cli.session.command`, which ends every command in one way."""
            raise BrokenPipeError

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else width_of_pipes
    return OurConsole(
        stderr=error, width=width, markup=False, emoji=False, highlight=False, soft_wrap=not stream.isatty()
    )


def write_json(value: Any) -> None:
    """Write one JSON document on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def say(message: str) -> None:
    """Write one message for a person to standard error."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]], empty: str) -> None:
    """Write a table to standard output, or say that there is nothing. Foreign text is made harmless."""
    if not rows:
        say(empty)
        return
    from rich.table import Table

    drawn = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    # Whoever reads a list types the first column next: the others are cut before it is.
    drawn.columns[0].no_wrap = True
    for row in rows:
        drawn.add_row(*(_cell(cell) for cell in row))
    # What names a row is never cut: people copy it.
    drawn.columns[0].min_width = max(len(str(row[0])) for row in rows)
    console = data_console()
    if not console.is_terminal:
        # A pipe gets every line whole; a terminal gets what fits.
        console.width = _UNBOUNDED
    console.print(drawn)


def _cell(cell: str | Text) -> Text:
    from rich.text import Text

    text = Text(harmless(cell)) if isinstance(cell, str) else cell.copy()
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
