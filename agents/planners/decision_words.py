"""REQUEST: chat never decides. Words that sound like a decision are told so, whatever model is configured."""

from __future__ import annotations

import re

DECIDES_NOTHING = "chat_decides_nothing"
DECISIONS_ELSEWHERE = (
    "Nothing that is written here decides. A proposal is approved, rejected or cancelled on its own page, "
    "where every fact stands beside the buttons; nothing was decided by this message."
)

_OPENING = (
    r"(?:(?:ok(?:ay)?|yes|sure|please|i|we|i'll|let's|can you|could you|go ahead and|and|then|now)[ ,]+){0,4}"
)
_VERB = r"(?:approved?|approve|accept|accepted|reject(?:ed)?|decline|declined|deny|denied|veto|lgtm)"
_WHAT = (
    r"(?: (?:it|this|that|them|all|both|these|those|everything|(?:all )?(?:the |this |that |these |my |your |last )*"
    r"(?:proposals?|changes?|requests?)(?: of (?:it|mine))?|(?:the )?(?:proposal )?prp_[a-z0-9]{1,40}))?"
)
_CLOSING = r"(?:[ ,]+(?:please|now|then|for me|thanks|thank you)){0,3}"
_DECISION = re.compile(rf"{_OPENING}{_VERB}{_WHAT}{_CLOSING}")


def sounds_like_a_decision(text: str) -> bool:
    """Tell whether the whole text is an attempt to decide, like `approve it` or `yes, reject prp_1 please`."""
    plain = " ".join(text.lower().split()).rstrip(" .!?")
    return len(plain) <= 200 and _DECISION.fullmatch(plain) is not None
