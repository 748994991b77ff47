"""The colours: every pair that text is shown in has a contrast of 4.5:1 or more, in both themes (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).resolve().parents[3] / "api" / "web" / "assets" / "css" / "tokens.css").read_text()
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", TOKENS)
}
THEMES = {"light": 0, "dark": 1}
TEXT = ("ink", "ink-muted", "ink-faint", "accent-ink", "ok", "warn", "danger", "note", "hold")
GROUNDS = ("canvas", "surface", "raised", "sunken", "hover")
ON_THEIR_OWN_GROUND = [(name, f"{name}-soft") for name in ("ok", "warn", "danger", "note", "hold", "neutral")]
ON_A_COLOUR = [
    ("accent-on", "accent"),
    ("accent-on", "accent-hover"),
    ("danger-on", "danger-solid"),
    ("accent-ink", "accent-soft"),
    *((ink, f"{tone}-soft") for ink in ("ink", "ink-muted", "ink-faint") for tone in ("accent", "hold")),
]


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2, definition)."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("text", "ground"),
    [(text, ground) for text in TEXT for ground in GROUNDS] + ON_THEIR_OWN_GROUND + ON_A_COLOUR,
)
def test_text_can_be_read(theme: str, text: str, ground: str) -> None:
    at = THEMES[theme]
    assert contrast(COLOURS[text][at], COLOURS[ground][at]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["canvas", "surface", "raised", "sunken"])
@pytest.mark.parametrize("line", ["line-strong", "accent"])
def test_the_edge_of_a_control_can_be_seen(theme: str, ground: str, line: str) -> None:
    at = THEMES[theme]
    assert contrast(COLOURS[line][at], COLOURS[ground][at]) >= 3.0
