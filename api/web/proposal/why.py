"""Why it was decided so, for the page: the explanation of `api/explanation`, and where each other size leads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from api.explanation.schemas import Explanation
from contracts.action import Action, ResizeNodePool
from contracts.evaluation import Outcome
from contracts.proposal import ProposalState

EDITABLE = ("node_count", "min_node_count", "max_node_count")
"""Fields of the actions that another size is said in."""
_TOLD: Mapping[Outcome, str] = {
    Outcome.ALLOW: "Every guardrail allows it. Nobody has to be asked.",
    Outcome.REQUIRE_APPROVAL: "The guardrails allow it once people have approved.",
    Outcome.HOLD: "It has to wait: a guardrail holds it.",
    Outcome.DENY: "The guardrails denied it.",
}


@dataclass(frozen=True)
class OtherSize:
    """A size that would have had a better answer, and the form that proposes it."""

    text: str
    href: str
    label: str
    """Words of the link; empty where the reader may neither edit nor ask."""


@dataclass(frozen=True)
class Why:
    """The section as the template gets it."""

    told: Explanation
    outcome: str
    """What all guardrails together came to, in one sentence."""
    changes: tuple[str, ...]
    """What would have to change, but for another size."""
    sizes: tuple[OtherSize, ...]
    no_size: str
    """Why no other size is told; empty where one is, or none was looked for."""


def why_of(told: Explanation, *, may_edit: bool, may_ask: bool) -> Why | None:
    """Return the section; None before the first pass, when there is nothing to explain."""
    if told.outcome is None:
        return None
    if told.outcome is Outcome.REQUIRE_APPROVAL and told.state is not ProposalState.AWAITING_APPROVAL:
        # People have answered: nothing has to change any more.
        return Why(told, _TOLD[told.outcome], (), (), "")
    other = {one.text for one in told.alternatives}
    return Why(
        told=told,
        outcome=_TOLD[told.outcome],
        changes=tuple(one for one in told.would_have_to_change if one not in other),
        sizes=tuple(
            _size(told.proposal_id, one.action, one.text, may_edit=may_edit, may_ask=may_ask)
            for one in told.alternatives
        ),
        no_size=told.no_alternative or "",
    )


def numbers_of(action: Action) -> dict[str, int]:
    """Return the desired size of an action by its fields."""
    return action.model_dump(include=set(EDITABLE))


def _size(proposal_id: str, action: Action, text: str, *, may_edit: bool, may_ask: bool) -> OtherSize:
    if may_edit:
        query = urlencode(numbers_of(action))
        return OtherSize(text, f"/proposals/{proposal_id}?{query}#edit", "Edit it to that size")
    if may_ask:
        return OtherSize(text, f"/chat?{urlencode({'text': asking(action)})}", "Ask for that size instead")
    return OtherSize(text, "", "")


def asking(action: Action) -> str:
    """Return the request in chat that asks for an action, in words that every planner reads."""
    pool = f"{action.cluster}/{action.node_pool} in {action.project}"
    if isinstance(action, ResizeNodePool):
        return f"scale {pool} to {action.node_count} nodes per zone"
    return f"set autoscaling of {pool} to {action.min_node_count} to {action.max_node_count} nodes per zone"
