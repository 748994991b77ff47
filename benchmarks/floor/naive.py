"""The worker of the plain Temporal version: `python -m benchmarks.floor.naive ADDRESSES READY_FILE`."""

from __future__ import annotations

import asyncio
import sys

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from benchmarks.floor.addresses import Addresses
from benchmarks.floor.change import Gates, open_pool
from benchmarks.floor.naive_workflow import QUEUE, NaiveWorkflow
from benchmarks.floor.serving import serve
from benchmarks.floor.steps import AFTERWARDS, GATES


async def main(given: Addresses, ready: str) -> None:
    """Serve until ended."""
    gates = Gates(given, await open_pool(given.database))
    steps = [getattr(gates, name) for name in (*GATES, *AFTERWARDS)]
    # As its documentation shows it; the cheapest sandbox there is: ours is not loaded anew.
    sandbox = SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules("benchmarks")
    )
    await serve(given, ready, QUEUE, [NaiveWorkflow], steps, sandbox)


if __name__ == "__main__":
    asyncio.run(main(Addresses.parsed(sys.argv[1]), sys.argv[2]))
