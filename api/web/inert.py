"""Text that somebody else wrote, made harmless and readable: agents, alerts, chat, reasons, comments.

Escaping keeps it from being markup. What is left is text that lies to the eye: characters that reverse, hide or move
what stands around them. They are shown by their code point, and the whole stands in a `<bdi>`, so that it cannot turn
the words beside it (Unicode TR #36, TR #9 §4.3; "Trojan Source").
"""

from __future__ import annotations

import unicodedata

from markupsafe import Markup, escape

_KEPT = frozenset("\n\t")
_DECEIVING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories without a glyph: controls, format characters (bidi, zero-width, tags), unassigned, line separators."""
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
"""Letters and marks that render as nothing."""
_MARKS_IN_A_ROW = 4
"""Combining marks upon one letter that any script needs; more of them climb over other lines."""


def visible(text: str) -> str:
    """Return the text with every character that could deceive replaced by its code point, as `⟨U+202E⟩`."""
    shown: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        deceives = (
            character in _BLANK_LETTERS
            or (character not in _KEPT and unicodedata.category(character) in _DECEIVING)
            or marks > _MARKS_IN_A_ROW
        )
        shown.append(f"⟨U+{ord(character):04X}⟩" if deceives else character)
    return "".join(shown)


def inert(text: object) -> Markup:
    """Return the text as HTML that cannot act, link or reach beyond itself."""
    return Markup("<bdi>") + escape(visible(str(text))) + Markup("</bdi>")
