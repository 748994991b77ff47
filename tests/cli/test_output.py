"""Tables are for people: a pipe gets every line whole, a narrow terminal never loses what names a row."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from cli import output

NAME = "prp_0123456789abcdef0123"
ROW = (NAME, "resize acme-prod/europe-west4/serving/inference to 12 nodes per zone " * 3)


def drawn(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=60, color_system=None)
    monkeypatch.setattr(output, "data_console", lambda: console)
    output.table(("ID", "CHANGE"), [ROW], "nothing")
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())


def test_a_pipe_gets_every_line_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ROW[1].strip() in drawn(monkeypatch, terminal=False)


def test_a_narrow_terminal_shows_the_whole_name_of_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = drawn(monkeypatch, terminal=True)
    assert NAME in shown
    assert max(map(len, shown.splitlines())) <= 60
