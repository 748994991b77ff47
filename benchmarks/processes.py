"""The processes that take part in a benchmark: the API that it asks, and who else keeps that busy.

Each is spawned, so that none shares an interpreter with what keeps time, and has one end of a pipe. A process that dies
ends the benchmark with an error.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from api.server import server_for
from tests.api.serving import Api, serving

T = TypeVar("T")
END = "end"
"""The last word to a process."""
_ENDS_WITHIN = 15.0


@dataclass(frozen=True)
class Beside:
    """A process that runs meanwhile."""

    name: str
    _pipe: Connection

    async def answer(self, word: object) -> Any:
        """Send it a word, and wait for its answer.

        Raises:
            RuntimeError: it is dead.
        """
        with suppress(BrokenPipeError):
            self._pipe.send(word)
        return await self.heard()

    async def heard(self) -> Any:
        """Wait for its next word.

        Raises:
            RuntimeError: it is dead.
        """
        try:
            return await asyncio.to_thread(self._pipe.recv)
        except EOFError:
            raise RuntimeError(f"{self.name} died; what it wrote last says why") from None


@asynccontextmanager
async def beside(name: str, work: Callable[..., None], *given: Any) -> AsyncIterator[Beside]:
    """Run `work` in a process of its own meanwhile, with its end of the pipe and what is given. `END` ends it.

    Raises:
        RuntimeError: it failed, if only at its end.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *given), daemon=True)
    process.start()
    # It alone has that end now: who waits for its word learns of its death.
    theirs.close()
    try:
        yield Beside(name, ours)
        ours.send(END)
        await asyncio.to_thread(process.join, _ENDS_WITHIN)
        if process.exitcode:
            raise RuntimeError(f"{name} ended with {process.exitcode}")
    finally:
        process.kill()


@asynccontextmanager
async def served(
    url: str, prepared: Callable[..., AbstractAsyncContextManager[T]], *given: Any
) -> AsyncIterator[tuple[str, T]]:
    """Serve the API on a database meanwhile; yield its address, and what `prepared` has to tell of it."""
    async with beside("the API", _serve, url, prepared, given) as api:
        yield await api.heard()


def _serve(pipe: Connection, *given: Any) -> None:
    asyncio.run(_served(pipe, *given))


async def _served(
    pipe: Connection,
    url: str,
    prepared: Callable[..., AbstractAsyncContextManager[Any]],
    given: tuple[Any, ...],
) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    api: Api
    async with serving(url) as api, prepared(api, *given) as told:
        server = server_for(api.app, "127.0.0.1", 0)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        pipe.send((f"http://127.0.0.1:{listening.getsockname()[1]}", told))
        await asyncio.to_thread(pipe.recv)
        server.should_exit = True
        await running
