"""Change windows in words: where one stands, what it covers, and a moment by its own clock. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from api import words
from contracts.configuration import WindowKind, WindowScope

WINDOW_WORDS: Mapping[tuple[WindowKind, bool], tuple[str, str, str, str]] = {
    (WindowKind.ALLOW, True): ("Open", "ok", "check", "closes"),
    (WindowKind.ALLOW, False): ("Closed", "hold", "clock", "opens"),
    (WindowKind.FREEZE, True): ("Frozen", "danger", "halt", "thaws"),
    (WindowKind.FREEZE, False): ("Not frozen", "neutral", "check", "freezes"),
}
"""Kind, and whether it lasts now → state, tone and drawing of its badge, and what it does next."""


def place_words(scope: WindowScope) -> list[tuple[str, str]]:
    """Return what a window covers as names and values; empty for everything."""
    kind = words.action_kind(scope.action_kind) if scope.action_kind else None
    parts = [
        ("environment", scope.environment),
        ("team", scope.team),
        ("target", scope.target),
        ("kind", kind),
    ]
    return [(name, value) for name, value in parts if value]


def local_words(moment: datetime, time_zone: str) -> str:
    """Return a moment by the clock of a time zone: `Mon 23 Nov 09:00`."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return f"{local:%a} {local.day} {local:%b %H:%M}"
