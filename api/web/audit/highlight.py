"""JSON for people: indented, each token with its kind. The template escapes the text; nothing here makes markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Token = tuple[str, str]
"""Kind (`key`, `string`, `number`, `literal`, or empty for what holds them together) and text."""


def tokens(value: Any, indent: int = 0) -> Iterator[Token]:
    """Yield the tokens of a JSON value, in order; their texts joined are the value again."""
    match value:
        case dict() if value:
            yield from _items(value.items(), "{}", indent)
        case list() | tuple() if value:
            yield from _items(((None, item) for item in value), "[]", indent)
        case str():
            yield "string", _text(value)
        case bool() | None:
            yield "literal", _text(value)
        case int() | float():
            yield "number", _text(value)
        case _:
            yield "", _text(value)


def _items(items: Any, brackets: str, indent: int) -> Iterator[Token]:
    inner = "\n" + "  " * (indent + 1)
    yield "", brackets[0]
    separator = inner
    for key, item in items:
        yield "", separator
        if key is not None:
            yield "key", _text(key)
            yield "", ": "
        yield from tokens(item, indent + 1)
        separator = "," + inner
    yield "", "\n" + "  " * indent + brackets[1]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
