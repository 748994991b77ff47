"""The vocabulary of the log's lines and of the decision record: nouns of the path as words. Pure.

Nothing here repeats what an agent, an alert or a person wrote: such words are handed on beside, as quotations.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts.action import Action, ResizeNodePool
from contracts.decision import DecisionKind
from contracts.effect import ReceiptOutcome, Step
from contracts.evaluation import Outcome
from contracts.observation import AutoscalingBounds
from contracts.principal import SYSTEM, Principal, PrincipalKind
from contracts.proposal import Planner, PlannerKind

VOTED: Mapping[DecisionKind, str] = {
    DecisionKind.APPROVE: "approved",
    DecisionKind.REJECT: "rejected",
    DecisionKind.REQUEST_CHANGE: "asked for a change of",
    DecisionKind.WITHDRAW: "took back their decision on",
}
JUDGED: Mapping[Outcome, str] = {
    Outcome.ALLOW: "allowed it",
    Outcome.REQUIRE_APPROVAL: "asked for people",
    Outcome.HOLD: "held it",
    Outcome.DENY: "denied it",
}
EFFECTS: Mapping[Step, str] = {Step.FORWARD: "the change", Step.COMPENSATION: "the way back"}
RECEIPTS: Mapping[ReceiptOutcome, str] = {
    ReceiptOutcome.APPLIED: "the provider's operation ended without error",
    ReceiptOutcome.NO_OP: "the target already was as wanted, and nothing was called",
    ReceiptOutcome.OPERATION_FAILED: "the provider took the call and its operation failed, perhaps in part",
    ReceiptOutcome.REFUSED: "the provider refused the call, and nothing was changed by it",
}

FIELDS: Mapping[str, str] = {
    "node_count": "nodes per zone",
    "min_node_count": "least nodes per zone",
    "max_node_count": "most nodes per zone",
}
"""Values of the actions that an edit may change."""


def who(principal: Principal) -> str:
    """Return who acted, with the kind where it is no person."""
    if principal.same_as(SYSTEM):
        return "Sluice"
    if principal.kind is PrincipalKind.HUMAN:
        return principal.subject
    return f"{principal.kind} {principal.subject}"


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 node`, `2 nodes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def sizes(zones: Mapping[str, int]) -> str:
    """Return nodes per zone, or named numbers, in one line."""
    return ", ".join(f"{zone} {nodes}" for zone, nodes in sorted(zones.items())) or "none"


def bounds(found: AutoscalingBounds | None) -> str:
    """Return the bounds of an autoscaler."""
    if found is None:
        return "no autoscaler"
    if found.is_pool_wide:
        return f"autoscaling {found.total_min_node_count} to {found.total_max_node_count} in the whole pool"
    return f"autoscaling {found.min_node_count} to {found.max_node_count} per zone"


def asked(action: Action) -> str:
    """Return what an action asks for, after its verb and target."""
    if isinstance(action, ResizeNodePool):
        return f"{count(action.node_count, 'node')} per zone"
    return f"{action.min_node_count} to {action.max_node_count} nodes per zone"


def changes(before: Action | None, after: Action) -> tuple[str, ...]:
    """Return each value that an edit changed as `nodes per zone 3 → 4`; `? →` where the one before is not known."""
    then, now = (one.model_dump(mode="json") if one is not None else {} for one in (before, after))
    names = now if before is not None else FIELDS
    return tuple(
        f"{FIELDS.get(name, name.replace('_', ' '))} {then.get(name, '?')} → {now[name]}"
        for name in names
        if name in now and then.get(name) != now[name]
    )


def place(action: Action) -> str:
    """Return the target as a person names it."""
    return f"{action.project}/{action.cluster}/{action.node_pool}"


def planned_by(planner: Planner, author: Principal) -> str:
    """Return who or what made a typed action of a request."""
    match planner.kind:
        case PlannerKind.DIRECT:
            return f"{who(author)} named the action"
        case PlannerKind.UNDO:
            return f"{who(author)} asked to take an earlier change back"
        case PlannerKind.RULES:
            return "The rules planner, which uses no model, proposed the action"
        case PlannerKind.OPENAI:
            prompt = f" under prompt {planner.prompt_version}" if planner.prompt_version else ""
            return f"The model {planner.model or 'without a name'}{prompt} proposed the action"
