"""Enumerations of Google's API, which grow faster than the client library that is pinned."""

from __future__ import annotations

from typing import Any


def named(names: Any, number: int) -> str:
    """Return the name of a value, or its number where the API has one that the library lacks.

    `names` is the enumeration of a bare message (`Message.pb(wrapped).Status`). The library's own wrapper warns of such
    a value and gives an `int`, which has no `.name`.
    """
    return str(names.Name(number)) if number in names.values() else str(number)
