"""GUARDRAILS, in the store: the contended facts of one pass, read under its locks, and all its writes in one go."""

from adapters.store.guard_pass.facts import Contended, contended_facts
from adapters.store.guard_pass.passes import (
    Beside,
    Loaded,
    Locked,
    Place,
    load,
    lock,
    stored_result,
    storing,
)
from adapters.store.guard_pass.question import Question
from adapters.store.guard_pass.rates import Rates
from adapters.store.guard_pass.storms import Storms

__all__ = [
    "Beside",
    "Contended",
    "Loaded",
    "Locked",
    "Place",
    "Question",
    "Rates",
    "Storms",
    "contended_facts",
    "load",
    "lock",
    "stored_result",
    "storing",
]
