"""What lists of proposals can be narrowed to, as conditions on the table. Used by the list and by the inbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Text, case, func, select, true
from sqlalchemy.sql.selectable import LateralFromClause

from adapters.store.schema import evaluations, proposals
from contracts.action import ACTION_KINDS
from contracts.evaluation import Outcome, RiskTier

MAX_WORDS = 8
"""Words of a search that are looked at."""
_RESIZE, _AUTOSCALING = ACTION_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalFilters:
    """What is given must match. A risk that was never judged counts as high."""

    environment: str | None = None
    team: str | None = None
    risk: RiskTier | None = None
    action_kind: str | None = None
    requester: str | None = None
    """`issuer/subject`, whole."""
    outcome: Outcome | None = None
    """Of the newest evaluation of the present revision."""
    text: str = ""
    """Every word must occur in id, target, requester or summary, in whatever case."""

    @property
    def is_empty(self) -> bool:
        """True when nothing is narrowed."""
        return self == ProposalFilters()


def newest_evaluation() -> LateralFromClause:
    """Return the newest evaluation of the present revision of a row of `proposals`, as a lateral join."""
    return (
        select(evaluations)
        .where(evaluations.c.proposal_id == proposals.c.id, evaluations.c.revision == proposals.c.revision)
        .order_by(evaluations.c.pass_number.desc())
        .limit(1)
        .lateral("newest")
    )


def summaries(newest: FromClause) -> Select[Any]:
    """Select what one line of a list shows: the row, and of its newest evaluation outcome, cost and quorum."""
    document = newest.c.document
    return select(
        proposals,
        newest.c.outcome,
        document["cost"]["monthly_delta"].as_string().label("monthly_delta"),
        document["cost"]["currency"].as_string().label("currency"),
        document["requirement"]["quorum"].as_integer().label("quorum"),
    ).select_from(proposals.outerjoin(newest, true()))


def conditions(filters: ProposalFilters, newest: FromClause) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions. `newest` is what `newest_evaluation` returned, joined already."""
    columns = {
        proposals.c.environment: filters.environment,
        proposals.c.team: filters.team,
        proposals.c.action_kind: filters.action_kind,
        proposals.c.requester: filters.requester,
        newest.c.outcome: filters.outcome,
    }
    for column, wanted in columns.items():
        if wanted is not None:
            yield column == str(wanted)
    if filters.risk is not None:
        yield func.coalesce(proposals.c.risk, RiskTier.HIGH.value) == filters.risk.value
    for word in filters.text.split()[:MAX_WORDS]:
        yield _haystack().icontains(word, autoescape=True)


def _haystack() -> ColumnElement[str]:
    parts = (proposals.c.id, proposals.c.target_key, proposals.c.requester, _summary())
    return func.concat_ws(" ", *parts, type_=Text())


def _summary() -> ColumnElement[str]:
    """Spell `contracts.messages.summary_of` in SQL; a test compares the two."""
    action = proposals.c.draft["action"]
    said = {name: action[name].as_string() for name in ("project", "cluster", "node_pool", "node_count")}
    least, most = action["min_node_count"].as_string(), action["max_node_count"].as_string()
    named = said["project"] + "/" + said["cluster"] + "/" + said["node_pool"] + " to "
    return case(
        (proposals.c.action_kind == _RESIZE, "resize " + named + said["node_count"] + " per zone"),
        (
            proposals.c.action_kind == _AUTOSCALING,
            "set autoscaling bounds of " + named + least + "-" + most + " per zone",
        ),
        else_="",
    )
