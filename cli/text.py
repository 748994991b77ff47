"""Words for people: durations, money, and text of others made harmless for a terminal."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

_VISIBLE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
"""Unicode categories that a terminal may act on, or that hide and reorder what is read."""
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def harmless(text: str, limit: int = 2_000) -> str:
    """Return foreign text on one line in which no character can act on the terminal.

    Line ends and tabs become spaces; escape, bidirectional and invisible characters become `<U+202E>`.
    """
    cut = text[: limit + 1]
    shown = "".join(_harmless(character) for character in cut[:limit])
    return shown + ("…" if len(cut) > limit else "")


def _harmless(character: str) -> str:
    if character in "\n\r\t":
        return " "
    if unicodedata.category(character) in _VISIBLE:
        return f"<U+{ord(character):04X}>"
    return character


def duration(seconds: float) -> str:
    """Return a span in its two largest units: `3 h 59 min`."""
    whole = int(abs(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def money(amount: Decimal, currency: str = "", *, signed: bool = False) -> str:
    """Return an amount with cents and thousands: `+2,744.80 USD`."""
    sign = "+" if signed else ""
    return f"{amount:{sign},.2f} {currency}".rstrip()


def words(name: str) -> str:
    """Return a code as words: `awaiting_approval` → `awaiting approval`."""
    return name.replace("_", " ")
