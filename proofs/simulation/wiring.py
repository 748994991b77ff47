"""Puts the simulation's time, chance and Temporal in the place of the real ones, and takes them out again."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import ModuleType
from typing import Any

import adapters.dispatch.delivery
import contracts.base
import workflows.proposal
import workflows.stages
from proofs.quiet import quiet
from proofs.simulation.temporal import SHIM
from proofs.simulation.world import BEGINS, World

_OURS = ("activities.", "adapters.", "api.", "contracts.", "guardrails.", "workflows.")


class Present:
    """The world of the seed that runs now; modules that took a function by name ask it."""

    def __init__(self) -> None:
        """Begin without one."""
        self.world: World | None = None
        self._ids = 0

    def utc_now(self) -> datetime:
        """Stand in for `contracts.base.utc_now`."""
        return BEGINS if self.world is None else self.world.own_now

    def new_id(self, prefix: str) -> str:
        """Stand in for `contracts.base.new_id`."""
        if self.world is None:
            self._ids += 1
            return f"{prefix}_{self._ids:020x}"
        return self.world.new_id(prefix)

    def draw(self) -> float:
        """Stand in for a source of chance."""
        return 0.5 if self.world is None else self.world.chance.random()


class _Chance(random.Random):
    """Draws from the present seed."""

    def __init__(self, present: Present) -> None:
        super().__init__()
        self._present = present

    def random(self) -> float:
        return self._present.draw()


@contextmanager
def wired() -> Iterator[Present]:
    """Replace what would not replay. Product code is otherwise as it is."""
    present = Present()
    with contextlib.ExitStack() as stack:
        for name, stand_in in (("utc_now", present.utc_now), ("new_id", present.new_id)):
            real = getattr(contracts.base, name)
            for module in _holders(name, real):
                stack.enter_context(replaced(module, name, stand_in))
        stack.enter_context(replaced(adapters.dispatch.delivery, "_random", _Chance(present)))
        for module in (workflows.proposal, workflows.stages):
            stack.enter_context(replaced(module, "workflow", SHIM))
        stack.enter_context(quiet())
        yield present


def _holders(name: str, real: object) -> list[ModuleType]:
    return [
        module
        for module in list(sys.modules.values())
        if module.__name__.startswith(_OURS) and module.__dict__.get(name) is real
    ]


@contextmanager
def replaced(place: Any, name: str, stand_in: object) -> Iterator[None]:
    """Put something in the place of an attribute for as long as the block lasts."""
    real = getattr(place, name)
    setattr(place, name, stand_in)
    try:
        yield
    finally:
        setattr(place, name, real)
