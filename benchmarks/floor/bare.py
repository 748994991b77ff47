"""The worker of the floor: `python -m benchmarks.floor.bare ADDRESSES READY_FILE`."""

from __future__ import annotations

import asyncio
import sys
import time

from temporalio import activity
from temporalio.worker import UnsandboxedWorkflowRunner

from benchmarks.floor.addresses import Addresses
from benchmarks.floor.bare_workflow import QUEUE, FloorWorkflow
from benchmarks.floor.serving import serve


@activity.defn(name="act")
async def act() -> float:
    """Do nothing, and say when."""
    return time.time()


async def main(given: Addresses, ready: str) -> None:
    """Serve until ended."""
    # Without the sandbox, like Sluice: the least that it can cost.
    await serve(given, ready, QUEUE, [FloorWorkflow], [act], UnsandboxedWorkflowRunner())


if __name__ == "__main__":
    asyncio.run(main(Addresses.parsed(sys.argv[1]), sys.argv[2]))
