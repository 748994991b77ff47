"""An API on a real database for tests: the application in this process, called over ASGI.

The gateway is a small recording one where only the API's own behaviour is asked for; tests of decisions that matter
use a real Temporal server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from sqlalchemy import select, text, update

from adapters.audit.checkpoint import CheckpointSigner
from adapters.store import proposals, sessions, tokens
from adapters.store.database import Database
from adapters.store.schema import audit_events, outbox
from adapters.store.schema import proposals as proposals_table
from adapters.store.sequencer import Sequencer
from api.app import create_app
from api.parts import ApiParts
from contracts.configuration import Configuration
from contracts.decision import DecisionResult, SignedDecision
from contracts.errors import DecisionNotAccepted, WorkflowUnavailable
from contracts.evaluation import ApprovalRequirement, BudgetLine, CostEstimate, Evaluation, Outcome, Verdict
from contracts.messages import ProposalInput, RequestInput
from contracts.observation import NodePoolObservation, SizesPrecondition, ZoneSize
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from contracts.progress import RequestProgress
from contracts.proposal import Draft, Proposal, ProposalState
from contracts.signature import encode_public_key, is_signed_by, key_id_of
from tests.stored_evaluations import keep

CONFIGURATION = Configuration.model_validate(
    {
        "environments": {
            "production": {"approval": {"quorum": 1}},
            "development": {"approval": {"quorum": 0}},
        },
        "targets": [
            {
                "kind": "gke.node_pool",
                "project": "acme-prod",
                "location": "europe-west4",
                "cluster": "serving",
                "environment": "production",
                "team": "inference",
                "max_nodes_per_zone": 12,
            }
        ],
        "budgets": [
            {
                "scope": {"environment": "production"},
                "window": "month",
                "limit": "40000",
                "time_zone": "Europe/Berlin",
            }
        ],
    }
)
RESIZE = {
    "kind": "gke.node_pool.resize",
    "project": "acme-prod",
    "location": "europe-west4",
    "cluster": "serving",
    "node_pool": "inference",
    "node_count": 4,
}
PEOPLE: dict[str, tuple[PrincipalKind, tuple[Role, ...]]] = {
    "ana": (PrincipalKind.HUMAN, (Role.REQUESTER, Role.APPROVER)),
    "ben": (PrincipalKind.HUMAN, (Role.APPROVER,)),
    "cleo": (PrincipalKind.HUMAN, (Role.APPROVER,)),
    "olga": (PrincipalKind.HUMAN, (Role.OPERATOR,)),
    "vera": (PrincipalKind.HUMAN, (Role.VIEWER,)),
    "bot": (PrincipalKind.AGENT, (Role.REQUESTER,)),
    "nobody": (PrincipalKind.HUMAN, ()),
}


@dataclass
class RecordingGateway:
    """Keeps what it was asked; answers decisions as told."""

    started: list[str] = field(default_factory=list)
    decided: list[SignedDecision] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    progress: RequestProgress = field(default_factory=RequestProgress)
    looked: int = 0
    refuses_with: str | None = None
    is_down: bool = False
    hangs: bool = False

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        if self.is_down:
            raise WorkflowUnavailable("down")

    async def start_request(self, start: RequestInput) -> None:
        await self._answer()
        self.started.append(start.request.id)

    async def start_proposal(self, start: ProposalInput) -> None:
        await self._answer()
        self.started.append(start.proposal_id)

    async def decide(self, signed: SignedDecision) -> DecisionResult:
        await self._answer()
        if self.refuses_with is not None:
            raise DecisionNotAccepted(self.refuses_with)
        self.decided.append(signed)
        state = "ready" if signed.decision.kind == "approve" else "rejected"
        return DecisionResult(decision_id=signed.decision.id, state=state, approvals=1, quorum=1)

    async def wake(self, proposal_id: str) -> None:
        await self._answer()
        self.woken.append(proposal_id)

    async def progress_of(self, request_id: str) -> RequestProgress:
        await self._answer()
        self.looked += 1
        return self.progress

    async def check(self) -> None:
        await self._answer()


@dataclass
class Api:
    """A served API and what a test needs beside it."""

    app: FastAPI
    database: Database
    gateway: RecordingGateway
    parts: ApiParts
    tokens: dict[str, str]
    http: httpx.AsyncClient

    async def get(self, path: str, *, by: str = "vera", **params: Any) -> httpx.Response:
        return await self.http.get(path, headers=self.headers(by), params=params)

    async def post(
        self, path: str, body: Any = None, *, by: str, key: str | None = None, **headers: str
    ) -> httpx.Response:
        sent = self.headers(by) | headers | ({"Idempotency-Key": key} if key else {})
        if body is None:
            return await self.http.post(path, headers=sent)
        return await self.http.post(path, headers=sent, json=body)

    def headers(self, by: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[by]}"}

    @asynccontextmanager
    async def browser(
        self, by: str | None = None, *, base_url: str = "http://127.0.0.1:8470"
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A browser, signed in as somebody unless nobody is named. Its own pages are what it sends from."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        own = {"Sec-Fetch-Site": "same-origin"}
        async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=own) as http:
            if by is not None:
                secret = await self.open_session(by)
                http.cookies.set(self.parts.web.cookie_name, secret, domain=http.base_url.host)
            yield http

    async def open_session(self, by: str) -> str:
        """Sign somebody in, and return the secret of the cookie."""
        kind, roles = PEOPLE[by]
        async with self.database.transaction() as connection:
            return await sessions.open_session(
                connection,
                Principal(kind=kind, subject=by, roles=roles),
                display_name=by.title(),
                method=sessions.SignInMethod.LINK,
                lifetime=self.parts.web.session_lifetime,
                tenant=self.parts.tenant,
            )

    async def propose(self, *, by: str = "ana", **changes: Any) -> str:
        body = {"action": RESIZE, "reason": "the queue grows"} | changes
        answer = await self.post("/v1/proposals", body, by=by)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["proposal_id"])

    async def waiting(self, *, sizes: tuple[int, ...] = (2, 2), **changes: Any) -> dict[str, Any]:
        """A proposal that waits for approval, as its view."""
        proposal_id = await self.propose(**changes)
        await self.observe(proposal_id, sizes)
        return await self.view(proposal_id)

    async def view(self, proposal_id: str, *, by: str = "vera") -> dict[str, Any]:
        answer = await self.get(f"/v1/proposals/{proposal_id}", by=by)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def observe(self, proposal_id: str, sizes: tuple[int, ...] = (2, 2)) -> None:
        """Do what the first guard pass does: fix the observation, store an evaluation, wait for approval."""
        async with self.database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            draft = Draft.model_validate(row.draft)
            seen = observation(draft.created_at, sizes)
            proposal = Proposal(
                **draft.model_dump(),
                observation=seen,
                precondition=SizesPrecondition(
                    machine_type=seen.machine_type, target_sizes=seen.target_sizes
                ),
            )
            found = evaluation(proposal)
            await keep(connection, found)
            await proposals.move(
                connection,
                row,
                ProposalState.AWAITING_APPROVAL,
                actor=SYSTEM,
                reason_code="approval_required",
                proposal=proposal,
            )

    async def move(self, proposal_id: str, *states: ProposalState) -> None:
        """Move along the state table, as activities do."""
        for state in states:
            async with self.database.transaction() as connection:
                row = await proposals.lock(connection, proposal_id)
                await proposals.move(connection, row, state, actor=SYSTEM, reason_code="test")

    async def let_pass(self, proposal_id: str, by: timedelta) -> None:
        """Make the proposal older: its deadlines come nearer."""
        async with self.database.transaction() as connection:
            await connection.execute(
                update(proposals_table)
                .where(proposals_table.c.id == proposal_id)
                .values(
                    decide_by=proposals_table.c.decide_by - by, execute_by=proposals_table.c.execute_by - by
                )
            )

    async def audit(self, subject: str) -> list[str]:
        """Types of the audit events about a subject, in order."""
        async with self.database.reading() as connection:
            rows = await connection.execute(
                select(audit_events.c.type)
                .where(audit_events.c.subject == subject)
                .order_by(audit_events.c.ordinal)
            )
            return list(rows.scalars())

    async def outbox(self, subject: str) -> list[tuple[str, bool]]:
        """Kind and whether delivered of each outbox row about a subject."""
        async with self.database.reading() as connection:
            rows = await connection.execute(
                select(outbox.c.kind, outbox.c.done_at)
                .where(outbox.c.subject == subject)
                .order_by(outbox.c.id)
            )
            return [(kind, done_at is not None) for kind, done_at in rows.all()]

    async def count(self, table: str) -> int:
        async with self.database.reading() as connection:
            return int((await connection.execute(text(f"select count(*) from {table}"))).scalar_one())  # noqa: S608


def observation(taken_at: datetime, sizes: tuple[int, ...]) -> NodePoolObservation:
    return NodePoolObservation(
        taken_at=taken_at,
        status="RUNNING",
        machine_type="g2-standard-8",
        zones=tuple(
            ZoneSize(
                zone=f"europe-west4-{letter}",
                instance_group=f"group-{letter}",
                target_size=size,
                running=size,
                stable=True,
            )
            for letter, size in zip("abcdef", sizes, strict=False)
        ),
        cluster_node_count=20,
    )


def evaluation(proposal: Proposal) -> Evaluation:
    requirement = ApprovalRequirement(quorum=1, rules=("environment_quorum",))
    line = BudgetLine(
        scope="environment=production",
        window="month:2026-11",
        currency="USD",
        limit=Decimal(40000),
        reserved=Decimal(100),
        committed=Decimal(900),
        amount=Decimal("812.50"),
        hours_left=Decimal(230),
    )
    return Evaluation(
        proposal_id=proposal.id,
        revision=proposal.revision,
        pass_number=1,
        at=proposal.created_at,
        outcome=Outcome.REQUIRE_APPROVAL,
        verdicts=(
            Verdict(
                guardrail="budget", outcome=Outcome.ALLOW, rule="cap", reason_code="ok", message="Within it."
            ),
            Verdict(
                guardrail="approval_rule",
                outcome=Outcome.REQUIRE_APPROVAL,
                rule="environment_quorum",
                reason_code="approval_required",
                message="production needs 1 approval.",
                requirement=requirement,
            ),
        ),
        requirement=requirement,
        cost=CostEstimate(
            currency="USD",
            machine_type="g2-standard-8",
            region="europe-west4",
            node_delta=4,
            price_per_node_hour=Decimal("0.94"),
            monthly_delta=Decimal("2744.80"),
            price_source="list",
            price_as_of=proposal.created_at.date(),
            lines=(line,),
        ),
        policy_revision="r1",
    )


@asynccontextmanager
async def serving(database_url: str, **changes: Any) -> AsyncIterator[Api]:
    """Serve an API on an already migrated database."""
    database = Database(database_url, pool_size=10)
    key = Ed25519PrivateKey.generate()
    signer = CheckpointSigner(Ed25519PrivateKey.generate())
    gateway = changes.pop("gateway", None) or RecordingGateway()
    parts = ApiParts(
        database=database,
        configuration=changes.pop("configuration", CONFIGURATION),
        gateway=gateway,
        signing_key=key,
        public_keys={key_id_of(key.public_key()): encode_public_key(key.public_key())},
        sequencer=Sequencer(database, signer),
        audit_key=signer.key,
        mode="practice",
        gateway_timeout=timedelta(seconds=changes.pop("gateway_seconds", 3)),
        **changes,
    )
    app = create_app(parts)
    issued = {}
    async with database.transaction() as connection:
        for name, (kind, roles) in PEOPLE.items():
            principal = Principal(kind=kind, subject=name, roles=roles)
            issued[name] = await tokens.issue(connection, principal, actor=SYSTEM, tenant="default")
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://sluice.test") as http:
            yield Api(app, database, gateway, parts, issued, http)
    finally:
        await database.close()


def decision_on(view: dict[str, Any], decision: str = "approve", **changes: Any) -> dict[str, Any]:
    """The body that decides on what a view shows."""
    reason = {} if decision == "approve" else {"reason": "not now"}
    return {
        "decision": decision,
        "revision": view["revision"],
        "digest": view["digest"],
        **reason,
        **changes,
    }


def is_signed(signed: SignedDecision, parts: ApiParts) -> bool:
    return is_signed_by(signed, parts.public_keys)


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()
