"""Records the history that `test_fleet_replay.py` replays. Run when the workflow changes on purpose:

    pytest tests/replay/record_fleet.py

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

from contracts.messages import FLEET_WORKFLOW, FleetLook
from worker import workflow_runner
from workflows.fleet import FleetWorkflow

HISTORIES = Path(__file__).parent / "histories"


@activity.defn(name="observe_fleet")
async def observe_fleet() -> FleetLook:
    return FleetLook(seen=13, failed=1, gone=0)


async def test_record(temporal_address: str) -> None:
    client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    queue = f"fleet-{uuid.uuid4().hex}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[FleetWorkflow],
        activities=[observe_fleet],
        workflow_runner=workflow_runner(),
        identity="recorder",
    ):
        handle = await client.start_workflow(FLEET_WORKFLOW, id="fleet", task_queue=queue)
        await handle.result()
        history = await handle.fetch_history()
    told = json.dumps(history.to_json_dict(), indent=1, sort_keys=True)
    (HISTORIES / "fleet_looked.json").write_text(told + "\n")
