"""RequestWorkflow on real parts: Temporal, PostgreSQL, the practice fleet, and a chat endpoint that a test scripts.

Only the children are stand-ins: a workflow named ProposalWorkflow that ends at once and remembers its input.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.errors import ErrorTranslation
from activities.request.closing import RequestActivities
from activities.request.model_gate import ModelGate, ModelUse
from adapters.configuration import load
from adapters.gke.reader import GkeNodePoolReader
from adapters.llm.openai_chat import OpenAIChat
from adapters.prices.price_table import PriceTable
from adapters.store import requests
from adapters.store.database import Database
from adapters.store.schema import audit_events, proposals
from adapters.store.schema import requests as requests_table
from agents.capacity.tools.tool import Evidence
from agents.planners.openai import ModelOptions, OpenAIPlanner
from agents.port import MODEL_WAIT, agent_plugin
from contracts.base import new_id, utc_now
from contracts.messages import CloseRequestResult, ProposalInput, RequestInput, request_workflow_id
from contracts.ports import ChatModel
from contracts.request import Alert, Channel, Request, Trust
from tests.contracts.samples import ANA
from tests.gke_fixtures import RunningEmulator
from tests.openai_server import KEY, ChatServer
from worker import AGENT_HEARTBEAT_THROTTLE, workflow_runner
from workflows.request import RequestWorkflow

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = load(ROOT / "local" / "practice.yaml")
"""The registered targets of the practice fleet."""
PRICES = PriceTable.load()


@workflow.defn(name="ProposalWorkflow", sandboxed=False)
class ChildStandIn:
    """Ends at once; its start event keeps what it was given."""

    @workflow.run
    async def run(self, start: ProposalInput) -> str:
        return start.proposal_id


def request_of(text: str = "", *, alert: Alert | None = None, **changes: Any) -> Request:
    """Return a chat request of Ana's, or an alert's."""
    fields: dict[str, Any] = {
        "id": new_id("req"),
        "tenant": CONFIGURATION.tenant,
        "requester": ANA,
        "channel": Channel.EVENT if alert else Channel.CHAT,
        "text": text,
        "alert": alert,
        "trust": Trust.UNTRUSTED if alert else Trust.TRUSTED,
        "received_at": utc_now(),
    }
    return Request.model_validate(fields | changes)


@dataclass
class RequestStack:
    """What a test holds: the parts, and how to run one request through them."""

    client: Client
    queue: str
    database: Database
    reader: GkeNodePoolReader
    model: ChatModel | None

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.reader, self.database, CONFIGURATION, PRICES)

    async def store(self, request: Request) -> None:
        async with self.database.transaction() as connection:
            await requests.create(connection, request)

    async def start(self, request: Request) -> WorkflowHandle[RequestWorkflow, CloseRequestResult]:
        """Start the workflow of a stored request."""
        return await self.client.start_workflow(
            RequestWorkflow.run,
            RequestInput(request=request, public_keys={"k": "cHVibGlj"}),
            id=request_workflow_id(request.id),
            task_queue=self.queue,
        )

    async def run(self, request: Request) -> CloseRequestResult:
        """Store a request, run its workflow to the end and return how it stands."""
        await self.store(request)
        return await (await self.start(request)).result()

    async def row(self, request: Request) -> Any:
        async with self.database.reading() as connection:
            found = await connection.execute(select(requests_table).where(requests_table.c.id == request.id))
            return found.one()

    async def drafts(self) -> list[dict[str, Any]]:
        """Every stored proposal's draft."""
        async with self.database.reading() as connection:
            return list((await connection.execute(select(proposals.c.draft))).scalars())

    async def audit_types(self, subject: str) -> list[str]:
        async with self.database.reading() as connection:
            statement = select(audit_events.c.type).where(audit_events.c.subject == subject)
            return list((await connection.execute(statement.order_by(audit_events.c.ordinal))).scalars())


WorkerOptions = Callable[[], dict[str, Any]]


@asynccontextmanager
async def running_stack(
    temporal_address: str,
    database: Database,
    fleet: RunningEmulator,
    chat_server: ChatServer | None,
    *,
    max_steps: int = 4,
    model_worker: bool = True,
    model_timeout: timedelta = timedelta(seconds=3),
    model_wait: timedelta = MODEL_WAIT,
    queue: str | None = None,
) -> AsyncIterator[RequestStack]:
    """Run the two workers, on `queue` if it is given.

    Without `chat_server` no model is configured; without `model_worker` nobody asks it.
    """
    client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    queue = queue or f"requests-{uuid.uuid4().hex}"
    model_queue = f"{queue}-model"
    reader = GkeNodePoolReader.to_endpoint(fleet.address, fleet.compute_url)
    chat = (
        OpenAIChat(
            api_key=SecretStr(KEY), model="stub-1", base_url=chat_server.base_url, timeout=model_timeout
        )
        if chat_server
        else None
    )
    stack = RequestStack(client, queue, database, reader, chat)
    options = ModelOptions(
        name="stub-1", max_steps=max_steps, input_price=Decimal(2), output_price=Decimal(10)
    )
    main = Worker(
        client,
        task_queue=queue,
        workflows=[RequestWorkflow, ChildStandIn],
        activities=_activities(database),
        plugins=[
            agent_plugin(
                evidence=stack.evidence,
                model_queue=model_queue,
                model_timeout=model_timeout,
                model_wait=model_wait,
            )
        ],
        workflow_runner=workflow_runner(),
        interceptors=[ErrorTranslation()],
    )
    model = Worker(
        client,
        task_queue=model_queue if model_worker else f"{model_queue}-nobody",
        plugins=[agent_plugin(planner=OpenAIPlanner(chat, options))],
        interceptors=[ErrorTranslation()],
        max_heartbeat_throttle_interval=AGENT_HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=AGENT_HEARTBEAT_THROTTLE,
    )
    async with main, model:
        yield stack
    if chat is not None:
        await chat.close()
    await reader.close()


def _activities(database: Database) -> list[Callable[..., Any]]:
    use = ModelUse("stub-1", 4, 32_000, 2_000, Decimal(2), Decimal(10))
    acting = RequestActivities(database, CONFIGURATION, "practice", ModelGate(CONFIGURATION, use))
    return [acting.mark_request_planning, acting.close_request]
