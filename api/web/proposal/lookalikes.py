"""Names that the eye takes for one another. Pure: a target and every other known one in, the confusable ones out.

Names are ASCII by contract, so what is left is `0` and `o`, `1`, `l` and `i`, `rn` and `m` and their like: the ASCII
part of Unicode's confusables (UTS #39, section 4). Two names are confusable when their skeletons are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
"""Two letters that stand so close that they read as one."""
_LETTERS = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "2": "z", "8": "b", "9": "g", "q": "g"})
MAX_SHOWN = 3
"""Look-alikes that a warning names."""


def skeleton(name: str) -> str:
    """Return what the eye keeps of a name. Two different names with one skeleton can be mistaken."""
    plain = name.lower()
    for seen, meant in _PAIRS:
        plain = plain.replace(seen, meant)
    return plain.translate(_LETTERS)


def lookalikes(key: str, others: Iterable[str]) -> Sequence[str]:
    """Return the other keys that could be mistaken for `key`, sorted, each once."""
    wanted = skeleton(key)
    return sorted({other for other in others if other != key and skeleton(other) == wanted})
