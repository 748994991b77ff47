"""The bounded queue between a workflow task's thread and the audit log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.worker import WorkflowInterceptorClassInput

from contracts.errors import PolicyUnavailable, StoreUnavailable
from contracts.messages import RefusalInput
from worker import Registration, run_workers
from workflows import refusals
from workflows.refusals import MAX_WAITING, RefusalRecorder


def refusal(number: int = 0) -> RefusalInput:
    return RefusalInput(
        proposal_id="prp_1",
        tenant="default",
        decision_id=f"dec_{number}",
        claimed_reviewer="local/eve",
        reason_code="bad_signature",
    )


def hand_out(recorder: RefusalRecorder) -> Callable[[RefusalInput], Any]:
    given = WorkflowInterceptorClassInput(unsafe_extern_functions={})
    recorder.workflow_interceptor_class(given)
    (function,) = given.unsafe_extern_functions.values()
    return function


@asynccontextmanager
async def running(record: Callable[[RefusalInput], Awaitable[None]]) -> AsyncIterator[RefusalRecorder]:
    recorder = RefusalRecorder(record)
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    yield recorder
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_refusal_from_another_thread_is_recorded() -> None:
    seen: list[str] = []

    async def record(one: RefusalInput) -> None:
        seen.append(one.decision_id)

    async with running(record) as recorder:
        await asyncio.to_thread(hand_out(recorder), refusal(7))
        await asyncio.sleep(0.01)
        await recorder.drain()
    assert seen == ["dec_7"]


async def test_a_database_that_is_away_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "RETRY_AFTER", 0.01)
    answers: list[Exception | None] = [StoreUnavailable("away"), StoreUnavailable("away"), None]

    async def record(_: RefusalInput) -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    async with running(record) as recorder:
        hand_out(recorder)(refusal())
        await asyncio.sleep(0.01)
        await recorder.drain()
    assert answers == []


@pytest.mark.parametrize("never", [PolicyUnavailable("never"), ValueError("PostgreSQL cannot take a value")])
async def test_what_can_never_be_written_stops_nothing(never: Exception) -> None:
    seen: list[str] = []

    async def record(one: RefusalInput) -> None:
        seen.append(one.decision_id)
        if one.decision_id == "dec_0":
            raise never

    async with running(record) as recorder:
        for number in range(2):
            hand_out(recorder)(refusal(number))
        await asyncio.sleep(0.01)
        await recorder.drain()
    assert seen == ["dec_0", "dec_1"]


async def test_a_flood_is_dropped_and_counted() -> None:
    stuck = asyncio.Event()

    async def record(_: RefusalInput) -> None:
        await stuck.wait()

    async with running(record) as recorder:
        give = hand_out(recorder)
        for number in range(MAX_WAITING + 50):
            give(refusal(number))
        await asyncio.sleep(0.05)
        assert recorder.dropped in (49, 50)


async def test_without_a_task_that_drains_a_refusal_is_dropped_and_counted() -> None:
    async def record(_: RefusalInput) -> None:
        raise AssertionError

    recorder = RefusalRecorder(record)
    hand_out(recorder)(refusal())
    assert recorder.dropped == 1


async def test_a_worker_that_is_told_to_stop_writes_what_it_has_refused_first() -> None:
    seen: list[str] = []
    begun = asyncio.Event()

    async def record(one: RefusalInput) -> None:
        begun.set()
        await asyncio.sleep(0.1)
        seen.append(one.decision_id)

    recorder, stop = RefusalRecorder(record), asyncio.Event()
    serving = asyncio.create_task(run_workers([], {"main": Registration([], refusals=recorder)}, stop))
    await asyncio.sleep(0.01)
    for number in range(2):
        hand_out(recorder)(refusal(number))
    await begun.wait()
    stop.set()
    await serving
    assert seen == ["dec_0", "dec_1"]
