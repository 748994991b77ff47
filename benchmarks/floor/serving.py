"""A plain Temporal worker with the SDK's defaults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker, WorkflowRunner

from benchmarks.floor.addresses import Addresses


async def serve(
    given: Addresses,
    ready: str,
    queue: str,
    workflows: Sequence[type],
    activities: Sequence[Callable[..., Any]],
    runner: WorkflowRunner,
) -> None:
    """Serve one task queue until the process ends; create the file `ready` once it polls."""
    client = await Client.connect(given.temporal, namespace=given.namespace)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=workflows,
        activities=activities,
        workflow_runner=runner,
    )
    await asyncio.to_thread(Path(ready).touch)
    await worker.run()
