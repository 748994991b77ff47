"""Registration: which workflows and activities each task queue serves. `bootstrap/` builds what is registered.

One process may serve all queues or one of them: the agent's process then holds the model's key only, the effects'
process the provider's credentials only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.worker import Interceptor, Plugin, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.errors import ErrorTranslation
from workflows.refusals import RefusalRecorder

MAX_CACHED_WORKFLOWS = 1_000
GRACE = timedelta(seconds=10)
"""What a running activity gets to end by itself when the worker stops, and what was refused to be written down."""
HEARTBEAT_THROTTLE = timedelta(seconds=2)
"""Heartbeats go out at most this often: well inside the five seconds after which an attempt counts as lost."""
AGENT_HEARTBEAT_THROTTLE = timedelta(seconds=0.5)
"""For calls of the model: their heartbeats carry the text that somebody watches. Each heartbeat is billed."""
_GLANCE = 0.02
"""Seconds between two looks whether all workers poll: the SDK tells nobody when they begin."""

Activity = Callable[..., Any]


@dataclass(frozen=True)
class Registration:
    """What one task queue serves. Only `QUEUE_MAIN` has workflows; their local activities are its activities."""

    activities: Sequence[Activity]
    workflows: Sequence[type] = ()
    plugins: Sequence[Plugin] = ()
    """Fresh ones: a plugin changes the graph it is given, so no two workers share one."""
    heartbeat_throttle: timedelta = HEARTBEAT_THROTTLE
    refusals: RefusalRecorder | None = None
    """Audits refused Updates; given where `ProposalWorkflow` is served."""


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return the sandbox for workflows; replay uses the same, also for `ProposalWorkflow`, which runs outside it.

    `cryptography` passes through whole: a failed signature check inside the sandbox would abort the process.
    """
    passed_through = ("contracts", "cryptography", "_cffi_backend", "rfc8785", "pydantic", "structlog")
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*passed_through)
    )


def build_workers(
    client: Client,
    registrations: Mapping[str, Registration],
    *,
    interceptors: Sequence[Interceptor] = (),
    sticky_timeout: timedelta = timedelta(seconds=1.5),
    identity: str | None = None,
    stop: asyncio.Event | None = None,
) -> list[Worker]:
    """Return one worker per task queue in `registrations` (keys are the `QUEUE_*` names), not yet running.

    `interceptors` come before ours. `stop` is set as soon as one has failed for good: it ends in its own time.
    """

    async def fail(_: BaseException) -> None:
        if stop is not None:
            stop.set()

    name = identity or f"sluice-{os.getpid()}@{socket.gethostname()}"
    return [
        Worker(
            client,
            task_queue=queue,
            workflows=registration.workflows,
            activities=registration.activities,
            workflow_runner=workflow_runner(),
            plugins=registration.plugins,
            interceptors=[*interceptors, ErrorTranslation(), *_recorders([registration])],
            identity=name,
            max_cached_workflows=MAX_CACHED_WORKFLOWS,
            sticky_queue_schedule_to_start_timeout=sticky_timeout,
            max_heartbeat_throttle_interval=registration.heartbeat_throttle,
            default_heartbeat_throttle_interval=registration.heartbeat_throttle,
            graceful_shutdown_timeout=GRACE,
            on_fatal_error=fail,
        )
        for queue, registration in registrations.items()
    ]


async def run_workers(
    workers: Sequence[Worker],
    registrations: Mapping[str, Registration],
    stop: asyncio.Event,
    *,
    ready_file: Path | None = None,
) -> None:
    """Run workers until `stop` is set, then let them finish what they hold.

    `ready_file` is there from when all of them poll until one has ended or all are to.

    Raises:
        Exception: a worker failed for good; the others are stopped first.
    """
    recorders = _recorders(registrations.values())
    beside = [asyncio.create_task(one.run()) for one in recorders]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    stopped = asyncio.create_task(stop.wait())
    try:
        await _first_end(workers, [*running, stopped], ready_file)
        alive = [worker for worker, task in zip(workers, running, strict=True) if not task.done()]
        await asyncio.gather(*(worker.shutdown() for worker in alive))
        await asyncio.gather(*running)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE.total_seconds()):
                await asyncio.gather(*(one.drain() for one in recorders))
    finally:
        for task in (*beside, stopped):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _first_end(
    workers: Sequence[Worker], ends: Sequence[asyncio.Task[Any]], ready_file: Path | None
) -> None:
    """Return when one of `ends` is over. Until then the file is there, once all workers poll."""
    while not all(worker.is_running for worker in workers):
        over, _ = await asyncio.wait(ends, timeout=_GLANCE, return_when=asyncio.FIRST_COMPLETED)
        if over:
            return
    with _standing(ready_file) if ready_file is not None else contextlib.nullcontext():
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)


@contextlib.contextmanager
def _standing(file: Path) -> Iterator[None]:
    """Have the file there as long as the block takes."""
    file.touch()
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _recorders(registrations: Iterable[Registration]) -> list[RefusalRecorder]:
    return [one.refusals for one in registrations if one.refusals is not None]
