"""GUARDRAILS, in the store: how often a target and an agent were at it in the past hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text

from adapters.store.guard_pass.fragment import Fragment, moment
from adapters.store.guard_pass.question import Question
from adapters.store.schema import Moment

HOUR = timedelta(hours=1)

FRAGMENT = Fragment(
    name="rates",
    value="""SELECT jsonb_build_object(
            'target_count', (SELECT count(*) FROM target_uses),
            'target_full_since', (SELECT used_at FROM target_uses ORDER BY used_at DESC OFFSET :nth LIMIT 1),
            'agent_count', (SELECT count(*) FROM agent_uses),
            'agent_full_since', (SELECT used_at FROM agent_uses ORDER BY used_at DESC OFFSET :nth LIMIT 1),
            'last_effect_at', (SELECT greatest(used_at,
                    (SELECT max(settled_at) FROM intents i WHERE i.proposal_id = latest.proposal_id))
                FROM latest))""",
    tables="""
    target_uses AS (
        SELECT used_at FROM rate_uses
        WHERE target_key = :target_key AND used_at > :hour_ago AND proposal_id <> :proposal_id
    ), agent_uses AS (
        SELECT used_at FROM rate_uses
        WHERE agent = :agent AND used_at > :hour_ago AND proposal_id <> :proposal_id
    ), latest AS (
        SELECT proposal_id, used_at FROM rate_uses
        WHERE target_key = :target_key AND proposal_id <> :proposal_id
        ORDER BY used_at DESC LIMIT 1
    )
    """,
    types={"agent": Text(), "target_key": Text(), "hour_ago": Moment},
)


@dataclass(frozen=True, slots=True)
class Count:
    """Uses of the past hour; `frees_at` is set when they are as many as allowed."""

    uses: int
    frees_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rates:
    """Uses by others, and the end of the latest effect on the target."""

    target_uses: Count
    agent_uses: Count
    last_effect_at: datetime | None


def parameters(asked: Question) -> dict[str, Any]:
    """Return whose uses are counted, since when, and up to how many."""
    return {
        "target_key": asked.place.target_key,
        "agent": asked.place.agent,
        "hour_ago": asked.locked.now - HOUR,
        "nth": max(asked.limits.effects_per_hour - 1, 0),
    }


def parse(value: dict[str, Any]) -> Rates:
    """Return the counts."""
    return Rates(
        target_uses=Count(value["target_count"], _plus_hour(value["target_full_since"])),
        agent_uses=Count(value["agent_count"], _plus_hour(value["agent_full_since"])),
        last_effect_at=moment(value["last_effect_at"]),
    )


def _plus_hour(value: str | None) -> datetime | None:
    full_since = moment(value)
    return None if full_since is None else full_since + HOUR
