"""Our own runbooks as blocks that a template renders: the part of Markdown that they are written in, and no more.

Headings, paragraphs, lists, tables, fenced code; in a line `code`, **strong** and links to other runbooks. For files of
this repository only: words of agents, alerts and people are never read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

_INLINE = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\[(?P<link>[^\]]+)\]\((?P<to>[^)]+)\)")
_ITEM = re.compile(r"(?:- |\d+\. )")
_RUNBOOK = re.compile(r"([a-z0-9-]+)\.md")


@dataclass(frozen=True)
class Span:
    """A piece of a line. `to` is the runbook that a link leads to; a link elsewhere is text."""

    kind: Literal["text", "code", "strong", "link"]
    text: str
    to: str = ""


@dataclass(frozen=True)
class Block:
    """A heading, paragraph, piece of code, table or list; what is in it depends on its kind."""

    kind: Literal["heading", "paragraph", "code", "table", "bullets", "steps"]
    spans: tuple[Span, ...] = ()
    code: str = ""
    rows: tuple[tuple[tuple[Span, ...], ...], ...] = ()
    """The first row is the head."""
    items: tuple[tuple[Block, ...], ...] = ()


def blocks(text: str) -> tuple[Block, ...]:
    """Read a runbook."""
    return tuple(_block(lines) for lines in _groups(text.splitlines()))


def _groups(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the lines of each block. Code goes on to its fence; a list as long as what follows is indented."""
    group: list[str] = []
    is_code = False
    for line in lines:
        if group and not is_code and _ends(group, line):
            yield group
            group = []
        if group or line:
            group.append(line)
        if line.startswith("```"):
            is_code = not is_code
    if group:
        yield group


def _ends(group: Sequence[str], line: str) -> bool:
    """Whether a block ends before this line."""
    if _ITEM.match(group[0]):
        return bool(line) and not line.startswith("  ") and not _ITEM.match(line)
    return not line or line.startswith(("#", "```")) or _ITEM.match(line) is not None


def _block(lines: Sequence[str]) -> Block:
    first = lines[0]
    if first.startswith("#"):
        return Block("heading", _spans(first.lstrip("# ")))
    if first.startswith("```"):
        return Block("code", code="\n".join(lines[1 : _closing(lines)]))
    if first.startswith("|"):
        rows = [_cells(line) for line in lines if not re.fullmatch(r"[|\-: ]+", line)]
        return Block("table", rows=tuple(rows))
    if _ITEM.match(first):
        return Block("bullets" if first.startswith("-") else "steps", items=tuple(_items(lines)))
    return Block("paragraph", _spans(" ".join(line.strip() for line in lines)))


def _closing(lines: Sequence[str]) -> int:
    return next((at for at, line in enumerate(lines) if at and line.startswith("```")), len(lines))


def _cells(line: str) -> tuple[tuple[Span, ...], ...]:
    return tuple(_spans(cell.strip()) for cell in line.strip().strip("|").split("|"))


def _items(lines: Sequence[str]) -> Iterator[tuple[Block, ...]]:
    """Each item is blocks of its own, indented by as much as its mark is wide."""
    item: list[str] = []
    indent = 0
    for line in lines:
        mark = _ITEM.match(line)
        if mark is not None:
            if item:
                yield blocks("\n".join(item))
            indent, item = mark.end(), [line[mark.end() :]]
        else:
            item.append(line[indent:] if line[:indent].isspace() else line.lstrip())
    if item:
        yield blocks("\n".join(item))


def _spans(text: str) -> tuple[Span, ...]:
    found: list[Span] = []
    end = 0
    for match in _INLINE.finditer(text):
        if match.start() > end:
            found.append(Span("text", text[end : match.start()]))
        end = match.end()
        if match["code"]:
            found.append(Span("code", match["code"]))
        elif match["strong"]:
            found.append(Span("strong", match["strong"]))
        else:
            other = _RUNBOOK.fullmatch(match["to"])
            found.append(Span("link", match["link"], other[1]) if other else Span("text", match["link"]))
    if end < len(text):
        found.append(Span("text", text[end:]))
    return tuple(found)
