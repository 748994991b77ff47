"""EXECUTION, in the store: what the intent transaction judges by, read in one statement under its locks.

Before it, `halts.lock_out` has locked the proposal and kept new halts out; a statement of its own sees what that lock
waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, Select, bindparam, func, literal_column, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import break_glass, decisions, halts
from adapters.store.driver import fixed
from adapters.store.schema import evaluations, intents
from contracts.break_glass import BreakGlass
from contracts.decision import SignedDecision
from contracts.errors import NotFound
from contracts.evaluation import ApprovalRequirement
from contracts.messages import PassResult
from contracts.safety import Halt


@dataclass(frozen=True, slots=True)
class NewestPass:
    """What the newest pass over a revision came to."""

    number: int
    result: PassResult
    requirement: ApprovalRequirement
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What may stop an effect at its last moment."""

    now: datetime
    is_open: bool
    """Another attempt wrote its intent: a call may be under way."""
    halts: tuple[Halt, ...]
    """Every one that has not ended, oldest first."""
    standing: tuple[SignedDecision, ...]
    """As `decisions.standing` says."""
    grants: tuple[BreakGlass, ...]
    """By which the pass in question let the proposal through."""
    newest: NewestPass | None

    @property
    def requirement(self) -> ApprovalRequirement:
        """What the newest pass asks for.

        Raises:
            NotFound: no guardrail has looked at this revision.
        """
        if self.newest is None:
            raise NotFound("no evaluation of this revision")
        return self.newest.requirement


def _gathered(wanted: Select[Any], name: str) -> ScalarSelect[Any]:
    """Return the rows of a query, in its order, as one JSON value."""
    rows = wanted.cte(name)
    value = func.jsonb_agg(func.to_jsonb(literal_column(name)))
    return select(func.coalesce(value, literal_column("'[]'::jsonb"))).select_from(rows).scalar_subquery()


_NEWEST = (
    select(
        evaluations.c.pass_number.label("number"),
        evaluations.c.result,
        evaluations.c.document["requirement"].label("requirement"),
        evaluations.c.created_at.label("at"),
    )
    .where(
        evaluations.c.proposal_id == bindparam("proposal_id"),
        evaluations.c.revision == bindparam("revision"),
    )
    .order_by(evaluations.c.pass_number.desc())
    .limit(1)
)
_OPEN = (
    select(intents.c.key).where(intents.c.key == bindparam("key"), intents.c.settled_at.is_(None)).exists()
)
_HALTS = halts.OPEN.with_only_columns(*[one for one in halts.OPEN.selected_columns if one.name != "tenant"])
_READ = fixed(
    select(
        _OPEN.label("is_open"),
        _gathered(_HALTS, "open_halts").label("halts"),
        _gathered(decisions.STANDING, "standing").label("standing"),
        _gathered(break_glass.USED, "used").label("grants"),
        _gathered(_NEWEST, "newest").label("newest"),
        func.clock_timestamp().label("now"),
    )
)


async def read(connection: AsyncConnection, key: str, row: Row[Any], pass_number: int) -> Facts:
    """Return what an attempt at the effect `key` of this row of `proposals` is judged by."""
    found = await _READ.only_row(
        connection,
        {
            "key": key,
            "proposal_id": row.id,
            "revision": row.revision,
            "pass_number": pass_number,
            "deciding": None,
        },
    )
    newest = next(iter(found.newest), None)
    return Facts(
        now=found.now,
        is_open=found.is_open,
        halts=tuple(Halt.model_validate(one) for one in found.halts),
        standing=tuple(SignedDecision.model_validate(one["document"]) for one in found.standing),
        grants=tuple(BreakGlass.model_validate(one["document"]) for one in found.grants),
        newest=_pass(newest) if newest else None,
    )


def _pass(found: dict[str, Any]) -> NewestPass:
    asked = found["requirement"]
    return NewestPass(
        number=found["number"],
        result=PassResult.model_validate(found["result"]),
        requirement=ApprovalRequirement.model_validate(asked) if asked else ApprovalRequirement(quorum=0),
        at=datetime.fromisoformat(found["at"]),
    )
