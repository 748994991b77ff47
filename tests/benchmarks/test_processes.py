"""The processes beside a benchmark: what one of them does not do ends the benchmark, and is never waited for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any

import pytest

from benchmarks import inbox, streams
from benchmarks.processes import beside, served


@asynccontextmanager
async def no_database() -> AsyncIterator[str]:
    """Nobody listens there."""
    yield "postgresql+asyncpg://nobody@127.0.0.1:1/none"


@pytest.mark.parametrize(
    "measured",
    [
        lambda: inbox.measure(waiting=1, loads=1, warm_up=0, database=no_database),
        lambda: streams.measure(1, 1, decisions=1, database=no_database),
    ],
    ids=["inbox", "streams"],
)
async def test_a_benchmark_whose_api_does_not_start_ends_with_an_error(
    measured: Callable[[], Awaitable[Any]],
) -> None:
    with pytest.raises(RuntimeError, match="the API died"):
        await measured()


@asynccontextmanager
async def nothing_to_tell(_: object) -> AsyncIterator[None]:
    yield None


async def test_the_api_is_served_meanwhile(migrated_database_url: str) -> None:
    async with served(migrated_database_url, nothing_to_tell) as (address, told):
        assert address.startswith("http://127.0.0.1:")
        assert told is None


def dies_when_asked(pipe: Connection) -> None:
    pipe.recv()
    os._exit(3)


def fails_at_its_end(pipe: Connection) -> None:
    pipe.send(pipe.recv())
    pipe.recv()
    os._exit(3)


async def test_a_process_that_dies_when_it_is_asked_ends_the_benchmark() -> None:
    with pytest.raises(RuntimeError, match="the worker died"):
        async with beside("the worker", dies_when_asked) as worker:
            await worker.answer("go")


async def test_a_process_that_fails_at_its_end_ends_the_benchmark() -> None:
    with pytest.raises(RuntimeError, match="the worker ended with 3"):
        async with beside("the worker", fails_at_its_end) as worker:
            assert await worker.answer("go") == "go"
