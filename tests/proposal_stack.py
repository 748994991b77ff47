"""ProposalWorkflow on real parts: Temporal (a namespace per test), PostgreSQL, the practice fleet.

Only the guard passes are scripted, so that a test can say what they answer; they write the rows a real pass writes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.approval.activities import ApprovalActivities
from activities.execution.activities import EffectActivities
from activities.execution.attempt import EffectTimings
from activities.execution.through import ThroughVerification
from activities.verification.activities import VerificationActivities
from adapters.gke.effector import GkeNodePoolEffector
from adapters.gke.reader import GkeNodePoolReader
from adapters.store import decisions, leases, proposals
from adapters.store.database import Database
from adapters.store.schema import audit_events, intents
from adapters.store.schema import proposals as proposals_table
from contracts.action import Action, ResizeNodePool
from contracts.base import new_id, utc_now
from contracts.configuration import Configuration, Environment, Target
from contracts.decision import Decision, DecisionKind, DecisionResult, SignedDecision
from contracts.effect import Receipt, Step
from contracts.messages import (
    DECIDE_UPDATE,
    PROPOSAL_WORKFLOW,
    QUEUE_EFFECTS,
    QUEUE_MAIN,
    EffectInput,
    EffectOutcome,
    PassInput,
    PassResult,
    ProposalInput,
    Standing,
    VerifyOutcome,
    proposal_workflow_id,
)
from contracts.ports import NodePoolEffector, NodePoolReader
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Draft, Planner, PlannerKind, ProposalState
from contracts.request import Channel, Trust
from contracts.signature import key_id_of, sign
from tests.contracts.samples import ANA, BEN
from tests.gke_fixtures import RunningEmulator
from tests.scripted_guard import KEY as KEY
from tests.scripted_guard import PUBLIC_KEYS as PUBLIC_KEYS
from tests.scripted_guard import ScriptedGuard as ScriptedGuard
from tests.waiting import WITHIN
from tests.waiting import eventually as eventually
from worker import Registration, build_workers, run_workers
from workflows.proposal import ProposalWorkflow
from workflows.refusals import RefusalRecorder

CAROL = Principal(kind=PrincipalKind.HUMAN, subject="carol", roles=(Role.APPROVER,))
MODE = "practice"
SERVING = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving"}
REGISTERED = Target(
    **SERVING, kind="gke.node_pool", environment="production", team="inference", max_nodes_per_zone=100
)
CONFIGURATION = Configuration(environments={"production": Environment()}, targets=(REGISTERED,))
TIMINGS = EffectTimings(
    call_timeout=timedelta(seconds=5),
    call_margin=timedelta(seconds=5),
    operation_timeout=timedelta(seconds=60),
    poll_interval=timedelta(seconds=0.05),
    busy_wait=timedelta(seconds=5),
)
"""Longer than a call takes on a busy machine: a test in which time runs out says so."""
HASTY = replace(TIMINGS, call_timeout=timedelta(seconds=1.5), call_margin=timedelta(seconds=2.5))
"""For tests that wait until the call of a dead attempt cannot be in flight any more."""


def resize(node_count: int = 3, node_pool: str = "web") -> ResizeNodePool:
    return ResizeNodePool(**SERVING, node_pool=node_pool, node_count=node_count)


class NoKubernetes:
    """No cluster is configured."""

    async def count_ready(self, target: object) -> int | None:
        return None


@dataclass
class EffectStack:
    """What a test of single activities holds: everything but Temporal."""

    database: Database
    fleet: RunningEmulator
    reader: NodePoolReader
    effector: NodePoolEffector
    guard: ScriptedGuard
    timings: EffectTimings = TIMINGS
    configuration: Configuration = CONFIGURATION
    mode: str = MODE

    @property
    def approval(self) -> ApprovalActivities:
        return ApprovalActivities(self.database, PUBLIC_KEYS, self.configuration)

    @property
    def effects(self) -> EffectActivities:
        return EffectActivities(
            self.database,
            self.reader,
            self.effector,
            self.configuration,
            PUBLIC_KEYS,
            self.mode,
            self.timings,
        )

    @property
    def verification(self) -> VerificationActivities:
        return VerificationActivities(
            self.database, self.reader, NoKubernetes(), self.configuration, self.mode, self.timings
        )

    async def create(self, action: Action | None = None, **changes: Any) -> Draft:
        """Store a proposal of Ana's in state `evaluating`."""
        now = utc_now()
        fields: dict[str, Any] = {
            "id": new_id("prp"),
            "tenant": "default",
            "revision": 1,
            "authors": (ANA,),
            "channel": Channel.API,
            "trust": Trust.TRUSTED,
            "action": action or resize(),
            "reason": "the queue grows",
            "planner": Planner(kind=PlannerKind.DIRECT),
            "environment": "production",
            "team": "inference",
            "mode": MODE,
            "created_at": now,
            "decide_by": now + timedelta(hours=4),
            "execute_by": now + timedelta(hours=5),
        }
        draft = Draft.model_validate(fields | changes)
        async with self.database.transaction() as connection:
            await proposals.create(connection, draft)
        return draft

    async def ready(self, action: Action | None = None, **changes: Any) -> str:
        """Bring a proposal that nobody must approve through both passes; return its id."""
        self.guard.quorums = [0]
        draft = await self.create(action, **changes)
        await self.guard.check_proposal(PassInput(proposal_id=draft.id, revision=1, pass_number=1))
        await self.admit(draft.id, 2)
        return draft.id

    async def admit(self, proposal_id: str, pass_number: int) -> PassResult:
        given = PassInput(proposal_id=proposal_id, revision=1, pass_number=pass_number)
        return await self.guard.admit_proposal(given)

    async def execute(
        self, proposal_id: str, step: Step = Step.FORWARD, *, pass_number: int = 2
    ) -> EffectOutcome:
        """Run one attempt of the activity, as a worker does."""
        given = EffectInput(proposal_id=proposal_id, revision=1, step=step, pass_number=pass_number)
        return await ActivityEnvironment().run(self.effects.execute_action, given)

    async def verify(self, proposal_id: str, step: Step = Step.FORWARD) -> VerifyOutcome:
        given = EffectInput(proposal_id=proposal_id, revision=1, step=step, pass_number=2)
        return await ActivityEnvironment().run(self.verification.verify_effect, given)

    async def lease_owner(self) -> str | None:
        async with self.database.reading() as connection:
            return await leases.owner_of(connection, resize().target.serialisation_domain)

    async def receipt(self, proposal_id: str, step: str = "forward") -> Receipt:
        return Receipt.model_validate((await self.intent(proposal_id, step)).receipt)

    async def signed(
        self,
        proposal_id: str,
        reviewer: Principal = BEN,
        kind: DecisionKind = DecisionKind.APPROVE,
        key: Ed25519PrivateKey = KEY,
        **changes: Any,
    ) -> SignedDecision:
        """Return a decision as the API signs it, on the present digest."""
        row = await self.row(proposal_id)
        fields: dict[str, Any] = {
            "id": new_id("dec"),
            "tenant": row.tenant,
            "proposal_id": proposal_id,
            "revision": row.revision,
            "kind": kind,
            "reviewer": reviewer,
            "proposal_digest": row.digest or "none",
            "evaluation_digest": "sha256:seen",
            "at": utc_now(),
            "key_id": key_id_of(key.public_key()),
        }
        return sign(Decision.model_validate(fields | changes), key)

    async def record(self, signed: SignedDecision) -> None:
        async with self.database.transaction() as connection:
            await decisions.record(connection, signed, signed.decision.reviewer)

    async def row(self, proposal_id: str) -> Any:
        async with self.database.reading() as connection:
            wanted = select(proposals_table).where(proposals_table.c.id == proposal_id)
            return (await connection.execute(wanted)).one()

    async def until(self, proposal_id: str, *states: ProposalState, limit: float = WITHIN) -> Any:
        """Return the row once it is in one of the states."""

        async def there() -> Any:
            row = await self.row(proposal_id)
            return row if row.state in states else None

        return await eventually(there, limit=limit)

    async def intent(self, proposal_id: str, step: str = "forward") -> Any:
        async with self.database.reading() as connection:
            wanted = select(intents).where(intents.c.key == f"{proposal_id}/1/{step}")
            return (await connection.execute(wanted)).one_or_none()

    async def audit(self, proposal_id: str) -> list[dict[str, Any]]:
        async with self.database.reading() as connection:
            wanted = select(audit_events.c.leaf).where(audit_events.c.subject == proposal_id)
            leaves = (await connection.execute(wanted.order_by(audit_events.c.ordinal))).scalars()
            return [json.loads(leaf) for leaf in leaves]

    def sizes_set(self) -> Sequence[int]:
        """What the emulator accepted, in its own words."""
        return [call.request["node_count"] for call in self.fleet.calls().accepted("SetNodePoolSize")]


@dataclass
class ProposalStack(EffectStack):
    """What a test of the whole workflow holds."""

    client: Client = field(kw_only=True)
    public_keys: dict[str, str] = field(default_factory=lambda: dict(PUBLIC_KEYS))
    recorder: RefusalRecorder | None = None

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run one worker process' worth of workers."""
        recorder = self.recorder = RefusalRecorder(self.approval.record_refusal)
        stop = asyncio.Event()
        registrations = self.registrations(recorder)
        workers = build_workers(self.client, registrations, identity="sluice-test")
        running = asyncio.create_task(run_workers(workers, registrations, stop))
        try:
            yield
        finally:
            stop.set()
            await running

    def registrations(self, recorder: RefusalRecorder) -> dict[str, Registration]:
        approval = self.approval
        return {
            QUEUE_MAIN: Registration(
                workflows=[ProposalWorkflow],
                activities=[
                    self.guard.check_proposal,
                    self.guard.admit_proposal,
                    approval.record_decision,
                    approval.record_refusal,
                    approval.close_proposal,
                    approval.read_state,
                ],
                refusals=recorder,
            ),
            QUEUE_EFFECTS: Registration(
                activities=[
                    ThroughVerification(self.effects, self.verification).execute_action,
                    self.verification.verify_effect,
                ]
            ),
        }

    async def start(self, draft: Draft) -> WorkflowHandle[Any, Standing]:
        return await self.client.start_workflow(
            PROPOSAL_WORKFLOW,
            ProposalInput.for_draft(draft, self.public_keys),
            id=proposal_workflow_id(draft.id),
            task_queue=QUEUE_MAIN,
            result_type=Standing,
        )

    async def propose(self, action: Action | None = None, **changes: Any) -> WorkflowHandle[Any, Standing]:
        return await self.start(await self.create(action, **changes))

    async def send(self, signed: SignedDecision) -> DecisionResult:
        """Deliver a decision as the API does."""
        handle = self.client.get_workflow_handle(proposal_workflow_id(signed.decision.proposal_id))
        result: DecisionResult = await handle.execute_update(
            DECIDE_UPDATE, signed, id=signed.decision.id, result_type=DecisionResult
        )
        return result

    async def decide(
        self, proposal_id: str, reviewer: Principal = BEN, kind: DecisionKind = DecisionKind.APPROVE
    ) -> DecisionResult:
        """Sign, record and deliver."""
        signed = await self.signed(proposal_id, reviewer, kind)
        await self.record(signed)
        return await self.send(signed)


async def own_namespace(address: str) -> Client:
    """A namespace of this test's own: task queues have fixed names."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    client = await Client.connect(address, namespace=name, data_converter=pydantic_data_converter)
    retention = timedelta(days=1)
    request = RegisterNamespaceRequest(namespace=name)
    request.workflow_execution_retention_period.FromTimedelta(retention)
    await client.workflow_service.register_namespace(request)

    async def knows() -> bool:
        with contextlib.suppress(RPCError):
            await client.count_workflows()
            return True
        return False

    await eventually(knows)
    return client


@asynccontextmanager
async def effect_stack(database: Database, fleet: RunningEmulator) -> AsyncIterator[EffectStack]:
    reader = GkeNodePoolReader.to_endpoint(fleet.address, fleet.compute_url)
    effector = GkeNodePoolEffector.to_endpoint(fleet.address, fleet.compute_url)
    yield EffectStack(database, fleet, reader, effector, ScriptedGuard(database, reader))
    await reader.close()
    await effector.close()


@asynccontextmanager
async def proposal_stack(
    address: str, database: Database, fleet: RunningEmulator
) -> AsyncIterator[ProposalStack]:
    client = await own_namespace(address)
    async with effect_stack(database, fleet) as parts:
        yield ProposalStack(
            parts.database, parts.fleet, parts.reader, parts.effector, parts.guard, client=client
        )


def forged(signed: SignedDecision) -> SignedDecision:
    """The same decision under a signature nobody made."""
    return signed.model_copy(update={"signature": base64.b64encode(bytes(64)).decode()})
