"""Every `sluice` command that the documentation spells is one that there is, with the options it is given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from cli.main import app
from tests.docs.pages import REFERENCE
from tests.docs.test_links import PAGES, ROOT

SLUICE: Any = get_command(app)
_SPAN = re.compile(r"`(?:\$ )?(sluice [^`]+)`", re.DOTALL)
_LINE = re.compile(r"^ *(?:\$ )?(?:[A-Z_]+=\S* )*(sluice (?:[^\\\n]|\\\n)+)", re.MULTILINE)
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_ENDS = {"|", ";", "&&", ">", ">/dev/null", "#"}


def spelled(page: Path) -> Iterator[str]:
    """The commands of a page: in a sentence, and on the lines of a block for the shell."""
    text = page.read_text()
    for language, block in _FENCE.findall(text):
        if language in ("", "sh", "bash"):
            yield from _LINE.findall(block)
    yield from (command.replace("\n", " ") for command in _SPAN.findall(_FENCE.sub("", text)))


def words_of(command: str) -> list[str]:
    line = command.replace("\\\n", " ").replace("…", "x").partition(" #")[0]
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    end = next((place for place, word in enumerate(words) if word in _ENDS), len(words))
    return words[1:end]


def fault_of(command: str) -> str | None:
    """What the command line would not understand, or None."""
    found = SLUICE
    options = options_of(found)
    words = iter(words_of(command))
    for word in words:
        if word.startswith("-"):
            name = word.partition("=")[0]
            if name not in options:
                return f"{found.name} has no {name}"
            if "=" not in word and options[name]:
                next(words, None)
        elif isinstance(found, TyperGroup) and word in found.commands:
            found = found.commands[word]
            options |= options_of(found)
        elif isinstance(found, TyperGroup) and re.fullmatch(r"[a-z-]+", word):
            return f"{found.name} has no command {word}"
    return None


def options_of(command: Any) -> dict[str, bool]:
    """Its options, each with whether a value follows."""
    options = [one for one in command.params if isinstance(one, TyperOption)]
    return {"--help": False} | {
        name: not one.is_flag for one in options for name in (*one.opts, *one.secondary_opts)
    }


def commands(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        yield f"{before}{name}"
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{before}{name} ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_understood(page: Path) -> None:
    faults = {command: fault_of(command) for command in spelled(page)}
    assert {command: fault for command, fault in faults.items() if fault} == {}


def test_a_command_that_is_not_there_is_found() -> None:
    assert fault_of("sluice tokens import FILE") == "tokens has no command import"
    assert fault_of("sluice --as operator halt --all --reason drill") == "halt has no --all"
    assert fault_of("sluice --as operator halt --everything --reason 'a drill' | cat --all") is None


def test_every_command_is_on_its_page() -> None:
    page = (REFERENCE / "cli.md").read_text()
    missing = [name for name in commands(SLUICE) if not re.search(rf"`[^`]*\b{name.split()[-1]}\b", page)]
    assert missing == []


@pytest.mark.parametrize(
    "runbook", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda one: one.stem
)
def test_a_runbook_that_names_a_local_identity_says_how_to_do_without(runbook: Path) -> None:
    names_one = any("--as " in command for command in spelled(runbook))
    assert not names_one or "`SLUICE_TOKEN`" in runbook.read_text()
