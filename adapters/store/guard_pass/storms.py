"""GUARDRAILS, in the store: how much an agent and an environment ask for, and how often an agent asks for the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from adapters.store.guard_pass.fragment import Fragment, joined
from adapters.store.guard_pass.question import Question
from adapters.store.schema import Moment
from contracts.canonical import canonical_bytes
from contracts.safety import HaltScope

# Where only one end of a window is given, and not as a constant, PostgreSQL takes a third of the table to be in it,
# and reads the whole table. With both ends it takes a two-hundredth, and asks the index.
_TABLES = """
    since AS (
        -- A person who ended the halt of a storm let the scope begin anew.
        SELECT greatest(:storm_since, (SELECT max(h.ended_at) FROM halts h WHERE h.ended_at > :storm_since
                AND h.scope = CAST(:storm_agent_scope AS jsonb))) AS agent,
            greatest(:storm_since, (SELECT max(h.ended_at) FROM halts h WHERE h.ended_at > :storm_since
                AND h.scope = CAST(:storm_environment_scope AS jsonb))) AS environment
    ), stopped AS (
        -- What an agent did before it was halted is the agent's matter, and not that of everybody beside it.
        SELECT h.scope ->> 'agent' AS agent, coalesce(h.ended_at, 'infinity') AS until
        FROM halts h
        WHERE h.scope ->> 'agent' IS NOT NULL AND (h.status <> 'ended' OR h.ended_at > :storm_since)
    ), proposed_there AS NOT MATERIALIZED (
        SELECT p.agent, p.requester FROM proposals p
        WHERE p.tenant = :storm_tenant AND p.environment = :storm_environment
            AND p.created_at > (SELECT environment FROM since) AND p.created_at < 'infinity'
            AND NOT p.dry_run AND NOT EXISTS (
                SELECT FROM stopped WHERE stopped.agent = p.agent AND p.created_at <= stopped.until)
    ), changed_there AS NOT MATERIALIZED (
        SELECT u.agent, u.proposal_id FROM rate_uses u
        WHERE u.tenant = :storm_tenant AND u.environment = :storm_environment
            AND u.used_at > (SELECT environment FROM since) AND u.used_at < 'infinity'
            AND u.proposal_id <> :proposal_id AND NOT EXISTS (
                SELECT FROM stopped WHERE stopped.agent = u.agent AND u.used_at <= stopped.until)
    )
    """
_TYPES: Mapping[str, TypeEngine[Any]] = {
    "storm_agent": Text(),
    "storm_tenant": Text(),
    "storm_environment": Text(),
    "storm_since": Moment,
    "storm_agent_scope": Text(),
    "storm_environment_scope": Text(),
    "repeats_since": Moment,
    "repeats_before": Moment,
    "repeats_action": Text(),
}
_VALUE = """SELECT jsonb_build_object(
            'agent_proposals', (SELECT count(*) FROM (SELECT FROM proposals p
                WHERE p.agent = :storm_agent AND p.created_at > since.agent AND p.created_at < 'infinity'
                AND NOT p.dry_run LIMIT :storm_proposals) s),
            'agent_changes', (SELECT count(*) FROM (SELECT FROM rate_uses u
                WHERE u.agent = :storm_agent AND u.used_at > since.agent AND u.used_at < 'infinity'
                AND u.proposal_id <> :proposal_id LIMIT :storm_changes) s),
            {environment},
            'repeats', (SELECT count(*) FROM (SELECT FROM proposals p
                WHERE p.agent = :storm_agent AND p.target_key = :target_key AND p.created_at > :repeats_since
                AND (p.created_at, p.id) < (:repeats_before, :proposal_id) AND NOT p.dry_run
                AND p.draft -> 'action' = CAST(:repeats_action AS jsonb) LIMIT :repeats_most) s))
        FROM (SELECT count(*) AS n FROM (SELECT FROM proposed_there LIMIT :storm_proposals) s) proposed,
            (SELECT count(*) AS n FROM (SELECT FROM changed_there LIMIT :storm_changes) s) changed, since"""

# Counting stops one above the limit: a pass in the middle of a storm costs no more than the limit allows.
FRAGMENT = Fragment(
    name="storms",
    value=_VALUE.format(
        environment="""'environment_proposals', proposed.n, 'environment_changes', changed.n,
            'requester_proposals', 0, 'requester_changes', 0"""
    ),
    tables=_TABLES,
    types=_TYPES,
)

# Whoever did most in an environment is left out of its counts once these are at their limit: what one alone does is a
# storm of that one, and never of everybody beside them. Only then is it counted who did how much, by a statement of
# its own: within the facts of every pass, PostgreSQL would prepare to run what it then does not run.
_BY_WHOM = joined(
    (
        Fragment(
            name="storms",
            value=_VALUE.format(
                environment="""'environment_proposals', CASE WHEN proposed.n < :storm_proposals THEN proposed.n ELSE (
                SELECT coalesce(sum(g.n) - max(g.n), 0)
                FROM (SELECT count(*) AS n FROM proposed_there GROUP BY coalesce(agent, requester)) g) END,
            'environment_changes', CASE WHEN changed.n + 1 < :storm_changes THEN changed.n ELSE (
                SELECT coalesce(sum(g.n) - max(g.n), 0)
                FROM (SELECT count(*) AS n FROM changed_there c JOIN proposals p ON p.id = c.proposal_id
                    GROUP BY coalesce(c.agent, p.requester)) g) END,
            'requester_proposals', CASE WHEN :storm_agent IS NULL AND proposed.n >= :storm_proposals THEN (
                SELECT count(*) FROM (SELECT FROM proposed_there WHERE agent IS NULL
                    AND requester = :storm_requester LIMIT :storm_proposals) s) ELSE 0 END,
            'requester_changes', CASE WHEN :storm_agent IS NULL AND changed.n + 1 >= :storm_changes THEN (
                SELECT count(*) FROM (SELECT FROM changed_there c JOIN proposals p ON p.id = c.proposal_id
                    WHERE c.agent IS NULL AND p.requester = :storm_requester LIMIT :storm_changes) s) ELSE 0 END"""
            ),
            tables=_TABLES,
            types={**_TYPES, "storm_requester": Text(), "target_key": Text()},
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Storms:
    """Counts within the windows of the limits. Too many of an environment come without those of whoever did most."""

    agent_proposals: int
    agent_changes: int
    environment_proposals: int
    environment_changes: int
    requester_proposals: int
    """Without an agent, in the environment; 0 while that is below its limit. So are the changes."""
    requester_changes: int
    repeats: int


def parameters(asked: Question) -> dict[str, Any]:
    """Return whose proposals and changes are counted, since when, and up to how many."""
    row, now, limits = asked.locked.row, asked.locked.now, asked.limits
    agent, environment = asked.place.agent, row.environment
    where = HaltScope(environment=environment) if environment else HaltScope(tenant=row.tenant)
    return {
        "storm_agent": agent,
        "storm_tenant": row.tenant,
        "storm_environment": environment,
        "storm_requester": row.requester,
        "storm_since": now - limits.storm.window,
        "storm_agent_scope": _json(HaltScope(agent=agent)) if agent else None,
        "storm_environment_scope": _json(where),
        "storm_proposals": limits.storm.proposals + 1,
        "storm_changes": limits.storm.changes + 1,
        "repeats_since": now - limits.repeats.window,
        "repeats_before": row.created_at,
        "repeats_action": canonical_bytes(row.draft["action"]).decode(),
        "repeats_most": limits.repeats.proposals,
    }


def parse(value: dict[str, Any]) -> Storms:
    """Return the counts; those of an environment with everybody in them."""
    return Storms(**value)


async def by_whom(connection: AsyncConnection, asked: Question, found: Storms) -> Storms:
    """Return the counts, without whoever did most in the environment where these are at their limit."""
    storm = asked.limits.storm
    if found.environment_proposals <= storm.proposals and found.environment_changes < storm.changes:
        return found
    own = asked.given.model_dump() | parameters(asked) | {"target_key": asked.place.target_key}
    return parse((await _BY_WHOM.only_row(connection, own))["storms"])


def _json(scope: HaltScope) -> str:
    return scope.model_dump_json()
