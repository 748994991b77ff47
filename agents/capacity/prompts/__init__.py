"""Prompts are versioned files. A changed prompt is a new file; its digest stands on every proposal made with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

PLANNER_VERSION = "planner.v2"


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt. `digest` is `sha256:<hex>` over the file's bytes."""

    version: str
    text: str
    digest: str


def load_prompt(version: str = PLANNER_VERSION) -> Prompt:
    """Read a prompt of this package.

    Raises:
        FileNotFoundError: there is no such version.
    """
    raw = resources.files(__name__).joinpath(f"{version}.md").read_bytes()
    digest = "sha256:" + hashlib.sha256(raw).hexdigest()
    return Prompt(version=version, text=raw.decode(), digest=digest)
