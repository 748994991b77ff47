"""Local stack: what the supervisor tells whoever renders it. The command line shows these, tests assert them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class StackEventKind(StrEnum):
    """What happened."""

    NOTE = "note"
    """Progress inside a step, for example a download."""
    STARTING = "starting"
    READY = "ready"
    DIED = "died"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StackEvent:
    """One line of progress. `part` is the name of a part or one-shot command, or None for the whole stack."""

    kind: StackEventKind
    part: str | None
    message: str


Report = Callable[[StackEvent], None]


class StackError(Exception):
    """The local stack cannot start or go on. The message says what to do; it is for the person at the terminal."""
