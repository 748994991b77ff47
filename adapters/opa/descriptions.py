"""What the author of a policy says of it: the `METADATA` above its package, read when policies are packed.

It goes into the bundle (`sources.py`), so that OPA itself tells people what is in force, whoever packed it.
https://www.openpolicyagent.org/docs/policy-language#metadata
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

_OPENING = "# METADATA"
_OWN = ("title", "description")
_CUSTOM = ("level", "reads", "remedy")
_MOST = 2_000


def description_of(name: str, rule: Path) -> dict[str, str]:
    """Return `name` and what the file says of `title`, `description`, `level`, `reads` and `remedy`.

    What is missing or cannot be read is left out: words for people never keep a rule from running.
    """
    found = _metadata(rule.read_text(encoding="utf-8", errors="replace"))
    custom = found.get("custom")
    said = {key: found.get(key) for key in _OWN}
    said |= {key: custom.get(key) for key in _CUSTOM} if isinstance(custom, dict) else {}
    words = {key: " ".join(value.split())[:_MOST] for key, value in said.items() if isinstance(value, str)}
    return {"name": name, **{key: value for key, value in words.items() if value}}


def _metadata(text: str) -> dict[str, Any]:
    head = list(takewhile(lambda line: not line.startswith("package "), text.splitlines()))
    if _OPENING not in (line.rstrip() for line in head):
        return {}
    start = next(number for number, line in enumerate(head) if line.rstrip() == _OPENING)
    block = takewhile(lambda line: line.startswith("#"), head[start + 1 :])
    try:
        found = yaml.safe_load("\n".join(line[1:].removeprefix(" ") for line in block))
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}
