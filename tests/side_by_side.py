"""What runs in one worker, and what starts first, when test files run side by side (`-n … --dist loadfile`).

Folders that share a whole stack stay together: else every worker would start its own. It ends with them, not with the
worker: an idle stack takes a twentieth of a core from the tests that go on. What takes minutes starts first, or it
would run alone at the end; then come the files with the most tests, as xdist has it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

TOGETHER = ("tests/e2e/", "tests/cli/", "tests/journeys/")
"""Folders whose tests share a stack, and wait more than they compute: one worker is enough."""
FIRST = (
    "tests/e2e/",
    "tests/web/screens/",
    "tests/workflows/",
    "tests/journeys/",
    "tests/proofs/",
    "tests/benchmarks/",
    "tests/adapters/store/",
    "tests/tools/",
    "tests/cli/",
)
"""Folders with what takes longest. Stacks are not started all at once: one chain of them, beside tests that compute."""

BY_UNITS = "by_units"
"""What xdist's workers are told: each unit runs once, in one piece."""


def unit_of(node_id: str) -> str:
    """What runs in one worker with a test: its file, or the folder that shares a stack."""
    file = node_id.split("::", 1)[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


_ends: list[Callable[[], None]] = []


def ends_with_its_unit(end: Callable[[], None]) -> None:
    """Have something called after the last test of the unit that runs now: what stops a stack, and does not wait."""
    _ends.append(end)


def end_what_nobody_needs(item: pytest.Item, next_item: pytest.Item | None) -> None:
    """Call what has to be called when this test was the last of its unit. Nothing, where units may come twice."""
    if not getattr(item.config, "workerinput", {}).get(BY_UNITS):
        return
    if next_item is None or unit_of(item.nodeid) != unit_of(next_item.nodeid):
        while _ends:
            _ends.pop()()


def put_in_order(items: list[pytest.Item]) -> None:
    """Sort tests by when their unit starts. The order inside a unit stays."""
    sizes = Counter(unit_of(item.nodeid) for item in items)

    def place(item: pytest.Item) -> tuple[int, int, str]:
        unit = unit_of(item.nodeid)
        rank = next((i for i, folder in enumerate(FIRST) if unit.startswith(folder)), len(FIRST))
        return rank, -sizes[unit], unit

    items.sort(key=place)


def runs_side_by_side() -> bool:
    """Whether this process is one of xdist's workers."""
    return "PYTEST_XDIST_WORKER" in os.environ


class ByStack(LoadFileScheduling):  # type: ignore[misc]
    """xdist's `loadfile`, by units, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
