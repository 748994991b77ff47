"""REQUEST → PROPOSAL: what a phrase means as the next turn of a conversation. Pure.

"it" is the node pool that the same person's last turns were about: the one that was proposed, else the one they named.
An earlier answer is never read: those are a planner's words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.planners.phrases import IT, Bounds, Named, Phrase, Plain, Scale, parse, parse_choice, parse_size
from contracts.request import Turn

_PROPOSED = re.compile(r" (?P<project>[a-z0-9-]+)/(?P<cluster>[a-z0-9-]+)/(?P<name>[a-z0-9-]+) to ")
"""Where `summary_of` names the target."""


@dataclass(frozen=True)
class _About:
    """What a conversation is about after a turn."""

    pool: Named | None = None
    """The one that "it" means."""
    wished: Phrase | None = None
    """What the last turn asked for, if nothing came of it yet."""


def understood(text: str, earlier: Sequence[Turn]) -> Phrase | None:
    """Return what a text asks for after the earlier turns; its pool is `IT` where none of them tells which."""
    about = _About()
    for turn in earlier:
        about = _after(turn, about)
    return _read(text, about)


def _read(text: str, about: _About) -> Phrase | None:
    phrase = parse(text) or _answer_to(about.wished, text)
    if phrase is None or isinstance(phrase, Plain) or phrase.pool != IT or about.pool is None:
        return phrase
    return replace(phrase, pool=about.pool)


def _after(turn: Turn, about: _About) -> _About:
    if turn.proposals:
        proposed = {_target_of(line) for line in turn.proposals}
        return _About(proposed.pop() if len(proposed) == 1 else None)
    phrase = _read(turn.text, about)
    if phrase is None or isinstance(phrase, Plain) or phrase.pool == IT:
        return _About(about.pool)
    return _About(phrase.pool, phrase)


def _answer_to(wished: Phrase | None, text: str) -> Phrase | None:
    """Return the last turn's wish with the size or the pool that was missing."""
    if wished is None or isinstance(wished, Plain):
        return None
    size = parse_size(text) if isinstance(wished, Scale | Bounds) else None
    if size is not None:
        return replace(size, pool=wished.pool)
    chosen = parse_choice(text, wished.pool.name)
    return None if chosen is None else replace(wished, pool=chosen)


def _target_of(line: str) -> Named | None:
    found = _PROPOSED.search(line)
    return Named(found["name"], (found["project"], found["cluster"])) if found else None
