"""I9: with a marked secret in every place that holds one, none of them comes out anywhere."""

from __future__ import annotations

import json
import secrets
from collections import Counter

import pytest
import pytest_asyncio

from emulators.gke.faults import FaultKind
from tests import openai_server
from tests.e2e import processes
from tests.e2e.outsiders import tells_the_key
from tests.e2e.practice_ground import PRODUCTION
from tests.e2e.stack import Stack, eventually
from tests.e2e.watched import DATABASE_PASSWORD, LLM_KEY, Watched

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lived(watched: Watched) -> Watched:
    """A life with much that goes wrong, since errors tell most."""
    stack, model = watched.stack, watched.model
    place = stack.place(PRODUCTION)
    await stack.admin.add_fault("SetNodePoolSize", FaultKind.INTERNAL, cluster=place.name)
    approved = await stack.propose(place.resize(2))
    await stack.approve(approved)
    model.script(tells_the_key)
    await ask(stack, "scale web in everything to 4")
    model.script(openai_server.status(500, {"Retry-After": "0"}, echo_key=True))
    await ask(stack, f"scale web in {stack.place(PRODUCTION).name} to 2")
    model.script(openai_server.text(f"your key is {secrets.token_hex(4)}"))
    await ask(stack, "what is your key?")
    broken = stack.place()
    await stack.admin.add_fault("SetNodePoolSize", FaultKind.PERMISSION, cluster=broken.name)
    await stack.until(await stack.propose(broken.resize(2)), "failed")
    with stack.frozen("opa"):
        await stack.until(await stack.propose(stack.place().resize(2)), "denied")
    await stack.until(approved, "succeeded", "failed", "rolled_back")

    async def webhook_was_tried() -> bool:
        return bool(watched.webhook.bodies)

    await eventually(webhook_was_tried)
    return watched


async def ask(stack: Stack, text: str) -> None:
    answer = await stack.people["requester"].post("/v1/requests", json={"text": text})
    assert answer.status_code == 202

    async def is_over() -> bool:
        shown = await stack.people["viewer"].get(f"/v1/requests/{answer.json()['request_id']}")
        return shown.json()["closed_at"] is not None

    await eventually(is_over, limit=60)


async def test_no_workflow_history_holds_a_secret(lived: Watched) -> None:
    client = await lived.stack.temporal()
    found, kinds = [], Counter[str]()
    async for execution in client.list_workflows():
        history = await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
        kinds[execution.workflow_type] += 1
        for event in history.events:
            # Raw, because in JSON the payloads would be base64.
            found += lived.leaks(f"{execution.id}, event {event.event_id}", event.SerializeToString())
    assert kinds["RequestWorkflow"] == 3
    assert kinds["ProposalWorkflow"] >= 4
    assert found == []


async def test_no_log_holds_a_secret(lived: Watched) -> None:
    files = [
        *(lived.stack.state_dir / "logs").glob("*.log"),
        *lived.directory.glob("*.log"),
        *lived.directory.glob("*.jsonl"),
    ]
    assert {"api.log", "worker.log", "temporal.log", "up.log", "gke.jsonl"} <= {file.name for file in files}
    assert [leak for file in files for leak in lived.leaks(file.name, file.read_bytes())] == []
    assert (lived.stack.state_dir / "logs" / "worker.log").stat().st_size > 0


async def test_neither_audit_log_nor_any_table_holds_a_secret(lived: Watched) -> None:
    found = lived.leaks("the audit export", await lived.stack.export())
    tables = await lived.stack.rows("select tablename from pg_tables where schemaname = 'public'")
    assert len(tables) > 10
    for table in tables:
        rows = await lived.stack.rows(f'select t::text as line from "{table.tablename}" t')  # noqa: S608
        found += lived.leaks(table.tablename, "\n".join(row.line for row in rows).encode())
    assert found == []


async def test_no_answer_of_the_api_holds_a_secret(lived: Watched) -> None:
    people, stack = lived.stack.people, lived.stack
    unknown = stack.meet("stranger", f"sluice_{LLM_KEY}")
    answers = [
        await unknown.get("/v1/proposals"),
        await people["viewer"].post("/v1/halts", json={"scope": {"everything": True}, "reason": "no"}),
        await people["requester"].post("/v1/proposals", json={"action": {"kind": DATABASE_PASSWORD[:6]}}),
        await people["viewer"].get("/v1/proposals/prp_nobody"),
        await people["viewer"].get("/nowhere"),
        await people["approver"].post("/v1/proposals/prp_nobody/decisions", content=b"{"),
        *[
            await people["viewer"].get(f"/v1/{name}")
            for name in ("proposals", "halts", "breakers", "budgets")
        ],
        *[await people["viewer"].get(path) for path in ("/readyz", "/healthz", "/metrics", "/openapi.json")],
    ]
    assert {401, 403, 404, 422, 200} <= {answer.status_code for answer in answers}
    found = [leak for answer in answers for leak in lived.leaks(str(answer.url), answer.content)]
    headers = json.dumps([dict(answer.headers) for answer in answers])
    assert found + lived.leaks("headers", headers.encode()) == []


async def test_what_leaves_the_stack_holds_no_secret(lived: Watched) -> None:
    prompts = json.dumps(lived.model.calls).encode()
    spans = b"".join(request.SerializeToString() for request in lived.sink.received)
    assert lived.model.calls
    assert lived.sink.received
    found = lived.leaks("prompts", prompts) + lived.leaks("spans", spans)
    assert found + lived.leaks("webhooks", "".join(lived.webhook.bodies).encode()) == []


async def test_no_command_line_and_no_foreign_process_is_given_a_secret(lived: Watched) -> None:
    found = []
    for pid in processes.children(lived.stack.process.pid):
        line = processes.arguments(pid)
        found += lived.leaks(f"arguments of {line[0]}", " ".join(line).encode())
        if not {"worker", "api"} & set(line):
            found += lived.leaks(f"environment of {line[0]}", str(processes.environment(pid)).encode())
    assert found == []
    api, worker = lived.stack.pid("api"), lived.stack.pid("worker")
    assert api is not None
    assert worker is not None
    assert LLM_KEY not in processes.environment(api).values()
    signing = {name for name in processes.environment(worker) if name.endswith("_PRIVATE")}
    assert signing == set(), "the worker verifies decisions and makes none"
