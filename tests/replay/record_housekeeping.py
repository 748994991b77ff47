"""Records the history that `test_housekeeping_replay.py` replays. Run when the workflow changes on purpose:

    pytest tests/replay/record_housekeeping.py

pytest collects this file only when it is named.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from contracts.messages import HOUSEKEEPING_WORKFLOW, Swept
from worker import workflow_runner
from workflows.housekeeping import HousekeepingWorkflow

HISTORIES = Path(__file__).parent / "histories"


@activity.defn(name="sweep")
async def sweep() -> Swept:
    return Swept(done={"remind": 2, "probe_breakers": 0}, failed=("release_reservations",))


async def test_record(temporal_address: str) -> None:
    client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    queue = f"housekeeping-{uuid.uuid4().hex}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[HousekeepingWorkflow],
        activities=[sweep],
        workflow_runner=workflow_runner(),
        identity="recorder",
    ):
        handle = await client.start_workflow(HOUSEKEEPING_WORKFLOW, id="housekeeping", task_queue=queue)
        await handle.result()
        history = await handle.fetch_history()
    told = json.dumps(history.to_json_dict(), indent=1, sort_keys=True)
    (HISTORIES / "housekeeping_swept.json").write_text(told + "\n")
