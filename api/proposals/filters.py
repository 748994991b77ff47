"""What lists of proposals can be narrowed to, in the query of an address. A filter left empty is not given."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BeforeValidator, Field

from adapters.store.proposal_filters import ProposalFilters
from contracts.evaluation import Outcome, RiskTier

MAX_TEXT = 200
"""Characters of a search."""


def _or_none(value: Any) -> Any:
    stripped = value.strip() if isinstance(value, str) else value
    return None if stripped == "" else stripped


_Blank = BeforeValidator(_or_none)
_Name = Annotated[Annotated[str, Field(max_length=400)] | None, _Blank]


def filters_of(
    environment: Annotated[_Name, Query()] = None,
    team: Annotated[_Name, Query()] = None,
    risk: Annotated[RiskTier | None, _Blank, Query(description="A risk never judged counts as high.")] = None,
    action_kind: Annotated[_Name, Query()] = None,
    requester: Annotated[_Name, Query(description="issuer/subject")] = None,
    outcome: Annotated[Outcome | None, _Blank, Query(description="Of the newest guard pass.")] = None,
    q: Annotated[
        str, Query(max_length=MAX_TEXT, description="Words that id, target, requester or summary hold.")
    ] = "",
) -> ProposalFilters:
    """Return the filters of a request."""
    return ProposalFilters(
        environment=environment,
        team=team,
        risk=risk,
        action_kind=action_kind,
        requester=requester,
        outcome=outcome,
        text=" ".join(q.split()),
    )


Filters = Annotated[ProposalFilters, Depends(filters_of)]
