"""Records the histories that `test_request_replay.py` replays. Run when the workflow changes on purpose:

    pytest tests/replay/record_requests.py

pytest collects this file only when it is named. Keep older histories as long as such workflows may still be running.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.store.database import Database
from adapters.store.migrate import upgrade
from contracts.messages import request_workflow_id
from contracts.request import Turn
from tests import openai_server
from tests.gke_fixtures import RunningEmulator, local_fleet
from tests.openai_server import Behaviour, ChatServer, chat_server
from tests.request_stack import request_of, running_stack

__all__ = ["chat_server", "local_fleet"]

HISTORIES = Path(__file__).parent / "histories"
POOL = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving", "node_pool": "inference"}
RESIZE = {"kind": "gke.node_pool.resize", **POOL, "node_count": 4}
READ = openai_server.tools(("read_node_pool", POOL))
EARLIER = (
    Turn(
        text="scale it to 3",
        answer="Which one?",
        proposals=("resize acme-prod/serving/inference to 3 per zone",),
    ),
)
PATHS: dict[str, tuple[Behaviour, ...]] = {
    "request_proposes": (READ, READ, openai_server.propose(RESIZE, RESIZE | {"node_pool": "web"})),
    "request_answers": (openai_server.finish("answered", "It runs."),),
    "request_is_refused": (openai_server.text("I did it."),),
    "request_continues": (READ, openai_server.propose(RESIZE | {"node_count": 5})),
    "request_falls_back": (openai_server.status(503, {"Retry-After": "0"}),),
}


def without_traces(value: Any) -> Any:
    """Leave out stack traces: they name paths of the machine that recorded, and replay does not read them."""
    if isinstance(value, dict):
        return {key: without_traces(inner) for key, inner in value.items() if key != "stackTrace"}
    return [without_traces(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(PATHS))
async def test_record(
    name: str, temporal_address: str, database_url: str, local_fleet: RunningEmulator, chat_server: ChatServer
) -> None:
    await upgrade(database_url)
    database = Database(database_url)
    chat_server.script(*PATHS[name])
    async with running_stack(temporal_address, database, local_fleet, chat_server) as stack:
        earlier = EARLIER if name == "request_continues" else ()
        request = request_of("scale inference in acme-prod to 4", earlier=earlier)
        await stack.run(request)
        history = await stack.client.get_workflow_handle(request_workflow_id(request.id)).fetch_history()
    await database.close()
    told = json.dumps(without_traces(history.to_json_dict()), indent=1, sort_keys=True)
    (HISTORIES / f"{name}.json").write_text(told + "\n")
