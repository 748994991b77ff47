"""How long does each stage of a pass take? A stopwatch around named functions, for benchmarks alone.

A stage's time is its own: what a stage inside it takes is counted there. One pass is in flight at a time, so the open
stages are a stack, and all of this process's processor time belongs to the innermost.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from unittest.mock import patch


@dataclass
class Stage:
    """Milliseconds of one stage, in each pass."""

    took: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)


@dataclass
class _Open:
    name: str
    began: float
    busy: float
    inner_took: float = 0.0
    inner_worked: float = 0.0


class Stopwatch:
    """Own wall and processor time by stage, added up over a pass."""

    def __init__(self) -> None:
        """Begin empty."""
        self.stages: dict[str, Stage] = {}
        self._open: list[_Open] = []
        self._pass: dict[str, tuple[float, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside as this stage, while a pass is measured."""
        if not self._open:
            yield
            return
        self._enter(name)
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def measured_pass(self, rest: str) -> Iterator[None]:
        """Measure one pass; what no stage takes is `rest`."""
        self._pass = {}
        self._enter(rest)
        try:
            yield
        finally:
            self._leave()
        for name, (took, worked) in self._pass.items():
            stage = self.stages.setdefault(name, Stage())
            stage.took.append(took)
            stage.worked.append(worked)

    @contextmanager
    def watching(self, *watched: tuple[object, str, str]) -> Iterator[None]:
        """Have each `(owner, attribute, stage)` timed meanwhile; functions and coroutine functions alike."""
        patches = [
            patch.object(owner, attribute, self.timed(getattr(owner, attribute), name))
            for owner, attribute, name in watched
        ]
        for one in patches:
            one.start()
        try:
            yield
        finally:
            for one in patches:
                one.stop()

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return a function that does the same and is counted as this stage."""

        async def waited(result: Awaitable[Any]) -> Any:
            with self.stage(name):
                return await result

        @wraps(function)
        def working(*values: Any, **named: Any) -> Any:
            with self.stage(name):
                result = function(*values, **named)
            return waited(result) if inspect.isawaitable(result) else result

        return working

    def _enter(self, name: str) -> None:
        self._pass.setdefault(name, (0.0, 0.0))
        self._open.append(_Open(name, time.perf_counter(), time.process_time()))

    def _leave(self) -> None:
        one = self._open.pop()
        took = (time.perf_counter() - one.began) * 1_000
        worked = (time.process_time() - one.busy) * 1_000
        if self._open:
            self._open[-1].inner_took += took
            self._open[-1].inner_worked += worked
        before = self._pass[one.name]
        own = (took - one.inner_took, worked - one.inner_worked)
        self._pass[one.name] = (before[0] + own[0], before[1] + own[1])
