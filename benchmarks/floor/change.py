"""What a user would write without Sluice: a table of changes, three gates, a ledger, an audit log, a call and a check.

Shared by the plain Temporal version and by the LangGraph version, so that both do the same work: the same question to
OPA, the same calls of the provider through the same adapters, a row of the ledger for the reservation and one for the
commitment, a row of the audit log at every step. What it lacks is what Sluice is for: no fence, no lease, no read
before the call, no signature, no second look at the pool against what was approved, no way back.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
from temporalio import activity

from activities.guardrail.policy_input import policy_input
from adapters.gke.effector import GkeNodePoolEffector
from adapters.gke.reader import GkeNodePoolReader
from adapters.opa.engine import OpaPolicyEngine
from benchmarks.floor.addresses import Addresses
from contracts.action import ResizeNodePool
from contracts.base import utc_now
from contracts.configuration import Target
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Draft, Planner, PlannerKind
from contracts.request import Channel, Trust

TABLES = """
CREATE TABLE IF NOT EXISTS changes (
    id text PRIMARY KEY, action jsonb NOT NULL, team text NOT NULL, state text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX IF NOT EXISTS changes_by_state ON changes (state);
CREATE TABLE IF NOT EXISTS verdicts (
    change_id text, pass int, gate text, outcome text NOT NULL, document jsonb NOT NULL,
    PRIMARY KEY (change_id, pass, gate));
CREATE TABLE IF NOT EXISTS votes (change_id text, reviewer text, at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (change_id, reviewer));
CREATE TABLE IF NOT EXISTS accounts (
    scope text PRIMARY KEY, money_limit numeric NOT NULL, reserved numeric NOT NULL, committed numeric NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, change_id text NOT NULL, scope text NOT NULL,
    kind text NOT NULL, amount numeric NOT NULL, at timestamptz NOT NULL DEFAULT now(), UNIQUE (change_id, kind));
CREATE TABLE IF NOT EXISTS breakers (target text PRIMARY KEY, failures int NOT NULL, open_until timestamptz);
CREATE TABLE IF NOT EXISTS halts (id text PRIMARY KEY, ended_at timestamptz);
CREATE TABLE IF NOT EXISTS effects (
    change_id text PRIMARY KEY, target text NOT NULL, prior jsonb NOT NULL, operation text,
    at timestamptz NOT NULL DEFAULT now());
CREATE INDEX IF NOT EXISTS effects_by_target ON effects (target, at);
CREATE TABLE IF NOT EXISTS audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, change_id text NOT NULL, kind text NOT NULL,
    payload jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX IF NOT EXISTS audit_by_change ON audit (change_id, id);
"""
MONTHLY = Decimal("195.64")
"""What two more nodes cost."""
LIMIT = Decimal(1_000_000)
_POSTINGS = {
    "reserve": "UPDATE accounts SET reserved = reserved + $2 WHERE scope = $1",
    "commit": "UPDATE accounts SET reserved = reserved - $2, committed = committed + $2 WHERE scope = $1",
}
RATE_PER_HOUR = 10_000
CALL_TIMEOUT, POLL = timedelta(seconds=2), 0.2
READ_TIMEOUT = timedelta(seconds=20)
"""What Google's client gives a read by default: whoever hangs for less than that wakes to an answer, and goes on."""
REQUESTER = Principal(kind=PrincipalKind.HUMAN, subject="requester", roles=(Role.REQUESTER,))


class DeniedError(Exception):
    """A gate said no; the message names it."""


async def open_pool(database: str) -> asyncpg.Pool:
    """Return connections that speak JSON."""

    async def speak_json(connection: asyncpg.Connection) -> None:
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

    return await asyncpg.create_pool(database, min_size=2, max_size=10, init=speak_json)


async def intend(pool: asyncpg.Pool, change_id: str, action: dict[str, Any], team: str) -> None:
    """Store a new change, as the API of a user would."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO accounts VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING", team, LIMIT
        )
        await connection.execute(
            "INSERT INTO changes (id, action, team, state) VALUES ($1, $2, $3, 'checking')",
            change_id, action, team,
        )  # fmt: skip
        await _audit(connection, change_id, "proposed", action)


async def record_vote(pool: asyncpg.Pool, change_id: str, reviewer: str) -> None:
    """Store an approval, as the API of a user would before it tells the workflow."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO votes (change_id, reviewer) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            change_id, reviewer,
        )  # fmt: skip
        await _audit(connection, change_id, "approved", {"reviewer": reviewer})


class Gates:
    """The steps of one change. Each is one transaction at its end, and may run again after a crash.

    They are activities of the Temporal version and are called by the nodes of the graph.
    """

    def __init__(self, given: Addresses, pool: asyncpg.Pool) -> None:
        """Open the outside lazily."""
        self.pool = pool
        self._policy = OpaPolicyEngine(given.opa, timeout=timedelta(seconds=5))
        self._reader = GkeNodePoolReader.to_endpoint(given.gke, given.compute, timeout=READ_TIMEOUT)
        self._effector = GkeNodePoolEffector.to_endpoint(given.gke, given.compute)

    @activity.defn
    async def judge_policy(self, change_id: str, number: int) -> None:
        """Gate: what OPA says about the pool as it is now.

        Raises:
            DeniedError: a hard policy is violated.
        """
        action, team = await self._change(change_id)
        seen = await self._reader.observe(action.target)
        draft, target = _draft(change_id, action, team), _target(action, team)
        document = policy_input(draft, target=target, production=True, observation=seen, now=utc_now())
        answer = await self._policy.evaluate(document)
        violations = [one.rule for one in answer.violations if one.level == "hard"]
        await self._record(change_id, number, "policy", violations, document)

    @activity.defn
    async def judge_budget(self, change_id: str, number: int) -> None:
        """Gate: reserve the money, once.

        Raises:
            DeniedError: there is not enough.
        """
        _, team = await self._change(change_id)
        async with self.pool.acquire() as connection, connection.transaction():
            account = await connection.fetchrow("SELECT * FROM accounts WHERE scope = $1 FOR UPDATE", team)
            violations = []
            if number == 1:
                if account["reserved"] + account["committed"] + MONTHLY > account["money_limit"]:
                    violations = ["over_limit"]
                else:
                    await self._post(connection, change_id, team, "reserve", MONTHLY)
            facts = {"reserved": float(account["reserved"]), "committed": float(account["committed"])}
            await self._keep(connection, change_id, number, "budget", violations, facts)
        _require(violations)

    @activity.defn
    async def judge_limits(self, change_id: str, number: int) -> None:
        """Gate: halts, the target's breaker, how often it was changed. The last one of a pass: it moves the change.

        Raises:
            DeniedError: one of them stops it.
        """
        action, _ = await self._change(change_id)
        async with self.pool.acquire() as connection, connection.transaction():
            halted = await connection.fetchval("SELECT count(*) FROM halts WHERE ended_at IS NULL")
            broken = await connection.fetchval(
                "SELECT count(*) FROM breakers WHERE target = $1 AND open_until > now()", action.target.key
            )
            lately = await connection.fetchval(
                "SELECT count(*) FROM effects WHERE target = $1 AND at > now() - interval '1 hour'",
                action.target.key,
            )
            facts = {"halts": halted, "breakers": broken, "effects": lately}
            violations = [
                name for name, value in facts.items() if value > RATE_PER_HOUR * (name == "effects")
            ]
            await self._keep(connection, change_id, number, "limits", violations, facts)
            state = "denied" if violations else ("awaiting" if number == 1 else "executing")
            await connection.execute(
                "UPDATE changes SET state = $2, updated_at = now() WHERE id = $1", change_id, state
            )
        _require(violations)

    @activity.defn
    async def execute(self, change_id: str) -> None:
        """Write what is intended, call, wait for the operation."""
        action, _ = await self._change(change_id)
        seen = await self._reader.observe(action.target)
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO effects (change_id, target, prior) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                change_id, action.target.key, {"nodes": seen.total_target},
            )  # fmt: skip
            await _audit(connection, change_id, "executing", {"prior": seen.model_dump(mode="json")})
        operation = await self._effector.set_size(action.target, action.node_count, timeout=CALL_TIMEOUT)
        while True:
            if not (await self._reader.get_operation(action.target, operation)).is_running:
                break
            await asyncio.sleep(POLL)
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE effects SET operation = $2 WHERE change_id = $1", change_id, operation
            )
            await _audit(connection, change_id, "executed", {"operation": operation})

    @activity.defn
    async def verify(self, change_id: str) -> None:
        """Wait until as many nodes run as were asked for, then commit the money and close the change."""
        action, team = await self._change(change_id)
        while True:
            seen = await self._reader.observe(action.target)
            if all(zone.running == action.node_count for zone in seen.zones):
                break
            await asyncio.sleep(POLL)
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.fetchrow("SELECT * FROM accounts WHERE scope = $1 FOR UPDATE", team)
            await self._post(connection, change_id, team, "commit", MONTHLY)
            await connection.execute(
                "UPDATE changes SET state = 'done', updated_at = now() WHERE id = $1", change_id
            )
            await _audit(connection, change_id, "succeeded", {"seen": seen.model_dump(mode="json")})

    async def close(self) -> None:
        """Close the connections."""
        for part in (self._policy, self._reader, self._effector, self.pool):
            await part.close()

    async def _change(self, change_id: str) -> tuple[ResizeNodePool, str]:
        row = await self.pool.fetchrow("SELECT action, team FROM changes WHERE id = $1", change_id)
        return ResizeNodePool.model_validate(row["action"]), row["team"]

    async def _post(
        self, connection: asyncpg.Connection, change_id: str, scope: str, kind: str, amount: Decimal
    ) -> None:
        posted = await connection.fetchval(
            "INSERT INTO ledger (change_id, scope, kind, amount) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT DO NOTHING RETURNING true",
            change_id, scope, kind, amount,
        )  # fmt: skip
        if posted:
            await connection.execute(_POSTINGS[kind], scope, amount)

    async def _record(
        self, change_id: str, number: int, gate: str, violations: list[str], facts: dict[str, Any]
    ) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await self._keep(connection, change_id, number, gate, violations, facts)
        _require(violations)

    async def _keep(
        self,
        connection: asyncpg.Connection,
        change_id: str,
        number: int,
        gate: str,
        violations: list[str],
        facts: dict[str, Any],
    ) -> None:
        document = {"violations": violations, "facts": facts}
        await connection.execute(
            "INSERT INTO verdicts VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            change_id, number, gate, "deny" if violations else "allow", document,
        )  # fmt: skip
        await _audit(connection, change_id, f"judged.{gate}", document)


async def _audit(connection: asyncpg.Connection, change_id: str, kind: str, payload: dict[str, Any]) -> None:
    await connection.execute(
        "INSERT INTO audit (change_id, kind, payload) VALUES ($1, $2, $3)", change_id, kind, payload
    )


def _require(violations: list[str]) -> None:
    if violations:
        raise DeniedError(", ".join(violations))


def _draft(change_id: str, action: ResizeNodePool, team: str) -> Draft:
    now = utc_now()
    return Draft(
        id=change_id,
        tenant="default",
        revision=1,
        authors=(REQUESTER,),
        channel=Channel.API,
        trust=Trust.TRUSTED,
        action=action,
        reason="the queue grows",
        planner=Planner(kind=PlannerKind.DIRECT),
        environment="production",
        team=team,
        mode="practice",
        created_at=now,
        decide_by=now + timedelta(hours=4),
        execute_by=now + timedelta(hours=5),
    )


def _target(action: ResizeNodePool, team: str) -> Target:
    return Target(
        kind="gke.node_pool",
        project=action.project,
        location=action.location,
        cluster=action.cluster,
        node_pool="*",
        environment="production",
        team=team,
        max_nodes_per_zone=10,
    )
