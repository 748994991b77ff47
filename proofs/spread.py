"""Spreads the work of a proof over processes. A process that dies or stands still is an error, never a wait.

`multiprocessing.Pool` waits for ever for the answer of a process that was killed, and an executor does not know what
it was at. Here each process has a pipe of its own and one piece at a time, and says how far it is. Processes are
spawned, not forked: a fork copies the locks of threads that it does not have.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from proofs.report import end_as_by_keyboard

P = TypeVar("P")
R = TypeVar("R")

LONGEST = 3600.0
"""Seconds that a piece may take."""
_LOOK_EVERY = 1.0
_ENDS_WITHIN = 60.0
_number = 0
_pipe: Connection | None = None


class SpreadFailed(Exception):
    """A piece of the work came to nothing. The message names it, so that it can be tried again alone."""


def lane() -> int:
    """Return the number of this process among those that work, from 0 on."""
    return _number


def at(step: str) -> None:
    """Say what this process is at, for the case that it does not come back."""
    if _pipe is not None:
        _pipe.send(("at", step))


def spread(
    work: Callable[[P], R], pieces: Iterable[P], jobs: int, *, longest: float = LONGEST
) -> Iterator[R]:
    """Yield what `work` makes of the pieces, in the order in which they are ready. With one job it happens here.

    Raises:
        SpreadFailed: a piece raised an error, took too long, or its process died.
    """
    if jobs == 1:
        yield from map(work, pieces)
        return
    todo = iter(pieces)
    lanes = [_Lane(work, number, longest) for number in range(jobs)]
    try:
        busy = [one for one in lanes if one.take(todo)]
        while busy:
            wait([one.pipe for one in busy], _LOOK_EVERY)
            for one in list(busy):
                for result in one.results():
                    yield result
                    if not one.take(todo):
                        busy.remove(one)
    finally:
        for one in lanes:
            one.end()


class _Lane:
    """A process, and what it is at."""

    def __init__(self, work: Callable[[Any], Any], number: int, longest: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(work, number, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._longest = longest
        self._is_busy = False

    def take(self, todo: Iterator[Any]) -> bool:
        """Give it the next piece. False: there is none."""
        self._is_busy = False
        for piece in todo:
            self._piece, self._at, self._until = piece, "", time.monotonic() + self._longest
            self._is_busy = True
            with suppress(BrokenPipeError):  # It is dead, and found to be when it is looked at.
                self.pipe.send(piece)
            break
        return self._is_busy

    def results(self) -> Iterator[Any]:
        """Yield the result of its piece, if it is there."""
        # Asked before the pipe is emptied: what it said before it died counts.
        is_alive = self._process.is_alive()
        with suppress(EOFError, ConnectionResetError):
            while self.pipe.poll():
                what, told = self.pipe.recv()
                if what == "done":
                    yield told
                    return
                if what == "failed":
                    raise SpreadFailed(f"{self._said()} failed:\n{told}")
                self._at = told
        if not is_alive:
            raise SpreadFailed(f"{self._said()}: its process ended with status {self._process.exitcode}")
        if time.monotonic() > self._until:
            raise SpreadFailed(f"{self._said()}: no end after {self._longest:g} s")

    def _said(self) -> str:
        piece = repr(self._piece)
        shown = piece if len(piece) <= 300 else f"{piece[:300]} …"
        return f"{shown}, at {self._at}" if self._at else shown

    def end(self) -> None:
        """End the process: an idle one by itself, one at work as Ctrl-C does, one that does not heed that for good."""
        self.pipe.close()
        if self._is_busy:
            self._process.terminate()
        self._process.join(_ENDS_WITHIN)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(work: Callable[[Any], Any], number: int, pipe: Connection) -> None:
    global _number, _pipe
    _number, _pipe = number, pipe
    end_as_by_keyboard()
    # The other end is closed when there is no more to do, or when whoever asked is gone.
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            piece = pipe.recv()
            try:
                told = ("done", work(piece))
            except Exception:  # noqa: BLE001  told to whoever asked
                told = ("failed", traceback.format_exc())
            pipe.send(told)
