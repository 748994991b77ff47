"""A plain Temporal worker with the SDK's defaults, in the sandbox, as its documentation shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from benchmarks.floor.addresses import Addresses


async def serve(
    given: Addresses,
    ready: str,
    queue: str,
    workflows: Sequence[type],
    activities: Sequence[Callable[..., Any]],
) -> None:
    """Serve one task queue until the process ends; create the file `ready` once it polls."""
    client = await Client.connect(given.temporal, namespace=given.namespace)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=workflows,
        activities=activities,
        # The cheapest sandbox there is: a file that imports nothing but the SDK, and ours not loaded anew.
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules("benchmarks")
        ),
    )
    await asyncio.to_thread(Path(ready).touch)
    await worker.run()
