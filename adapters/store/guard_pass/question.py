"""GUARDRAILS, in the store: what a pass asks its contended facts about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.store.guard_pass.passes import Locked, Place
from adapters.store.ledger import Wanted
from contracts.configuration import Limits
from contracts.messages import PassInput


@dataclass(frozen=True, slots=True)
class Question:
    """One pass over one locked proposal."""

    given: PassInput
    place: Place
    locked: Locked
    windows: Sequence[Wanted]
    """Budget windows it counts against."""
    limits: Limits
    admitting: bool
