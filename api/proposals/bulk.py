"""APPROVAL of several at once, only where they are the same low-risk change asked for many targets.

Each proposal still gets its own signed decision, through `decisions.decide`, with its own result. What may go together
is told here from what is stored, never from what a form says: one that does not fit refuses the whole.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy.engine import Row

from adapters.store import inbox
from adapters.store.idempotency import body_digest
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem
from api.proposals import decisions
from api.proposals.schemas import DecideBody
from contracts.base import canonical_json
from contracts.errors import SluiceError
from contracts.evaluation import RiskTier
from contracts.principal import Principal
from contracts.proposal import Proposal
from guardrails.change import change_of

MAX_TOGETHER = 50
"""Proposals decided with one press."""
_AT_ONCE = 5
_TARGET = {"project", "location", "cluster", "node_pool"}

Key: TypeAlias = Hashable
"""Equal for proposals that may be decided together."""


@dataclass(frozen=True)
class Item:
    """One proposal of a bulk decision, as its reader saw it."""

    proposal_id: str
    body: DecideBody


@dataclass(frozen=True)
class Line:
    """What became of one of them: an answer of 200 or 202, or the reason code and sentence of its refusal."""

    proposal_id: str
    answer: Answer | None
    code: str = ""
    detail: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the decision is signed and stored."""
        return self.answer is not None


def key_of(row: Row[Any], *, production: bool) -> Key | None:
    """Return what makes a row of `adapters.store.inbox` the same change as another; None when it stands alone.

    Only a low risk, outside production, that one call takes back. The same are: kind of action and desired values,
    environment, what is required of people, kind of requester, and what each guardrail says.
    """
    if production or row.risk != RiskTier.LOW.value or row.document is None or row.requirement is None:
        return None
    proposal = Proposal.model_validate(row.document)
    if proposal.revision != row.revision or proposal.dry_run:
        return None
    if not change_of(proposal.action, proposal.observation).is_reversible:
        return None
    verdicts = sorted((one["guardrail"], one["outcome"]) for one in row.verdicts)
    return canonical_json(
        {
            "wanted": proposal.action.model_dump(mode="json", exclude=_TARGET),
            "environment": row.environment,
            "requirement": row.requirement,
            "requester": proposal.requester.kind.value,
            "verdicts": [list(one) for one in verdicts],
        }
    )


def groups(parts: ApiParts, rows: Iterable[Row[Any]]) -> list[tuple[Row[Any], ...]]:
    """Return what may be decided together, two or more each, in the order of their first."""
    found: dict[Key, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        key = key_of(row, production=parts.configuration.is_production(row.environment))
        if key is not None:
            found[key].append(row)
    return [tuple(same) for same in found.values() if len(same) > 1]


async def identical(parts: ApiParts, ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the rows of these proposals, judged anew.

    Raises:
        Problem: 422, they are too many, one is twice or not there, or they are not the same low-risk change.
    """
    if not 0 < len(ids) <= MAX_TOGETHER or len(set(ids)) != len(ids):
        raise Problem(422, "bulk_size_invalid", f"Decide 1 to {MAX_TOGETHER} different proposals together.")
    async with parts.database.reading() as connection:
        rows = await inbox.of_ids(connection, parts.tenant, ids)
    keys = {key_of(row, production=parts.configuration.is_production(row.environment)) for row in rows}
    if len(rows) != len(ids) or len(keys) != 1 or None in keys:
        told = "These are not the same low-risk change, so nothing was decided. Look at them one by one."
        raise Problem(422, "bulk_not_identical", told)
    return rows


async def decide_together(
    parts: ApiParts, items: Sequence[Item], reviewer: Principal, key: str
) -> list[Line]:
    """Decide on each, in its own transaction; `key` makes a repetition answer as the first time.

    Raises:
        Problem: as `identical`, before anything is decided.
    """
    await identical(parts, [item.proposal_id for item in items])
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> Line:
        async with gate:
            return await _decide(parts, item, reviewer, key)

    return list(await asyncio.gather(*(one(item) for item in items)))


async def _decide(parts: ApiParts, item: Item, reviewer: Principal, key: str) -> Line:
    operation = f"POST /v1/proposals/{item.proposal_id}/decisions"
    digest = body_digest(canonical_json(item.body), operation=operation)
    claim = Claim(reviewer.key, f"{key}:{item.proposal_id}", digest)
    try:
        answer = await decisions.decide(parts, item.proposal_id, item.body, reviewer, claim)
    except Problem as refused:
        return Line(item.proposal_id, None, refused.code, refused.detail)
    except SluiceError as error:
        told = "A part this needs does not answer. It may have been done or not: look at it."
        return Line(item.proposal_id, None, error.reason_code, told)
    if answer.status >= 400:
        return Line(item.proposal_id, None, answer.body["reason_code"], answer.body["detail"])
    return Line(item.proposal_id, answer)
