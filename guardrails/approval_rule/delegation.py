"""GUARDRAIL approval rule: what the operator lets pass without a person, and the sample of it that is looked at.

Never delegated, whatever the rules say: what a model made of untrusted text, what no single call takes back, a high
risk, an environment that is not declared, and production unless the rule names that environment.

The lot falls on the change, not on the proposal: who cancels and proposes the same again draws the same again.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC

from contracts.base import canonical_json
from contracts.configuration.approval import AutomaticApproval
from contracts.evaluation import RiskTier
from contracts.proposal import Draft, PlannerKind
from contracts.request import Trust
from guardrails.approval_rule.conditions import Judged, passes


@dataclass(frozen=True, slots=True)
class Delegation:
    """The rule that lets a proposal pass, and whether this one is looked at nevertheless."""

    rule: str
    sampled: bool


def delegation_of(known: Judged) -> Delegation | None:
    """Return the rule that delegates this proposal's approval, or None. Of several the one with the largest sample."""
    limits = known.facts.approval_limits
    matching = [one for one in limits.automatic if _may(one, known) and passes(one.when, known)]
    if not matching:
        return None
    chosen = max(matching, key=lambda one: one.sample)
    draft, draw = known.facts.draft, known.facts.sample_draw
    if draw is None:
        draw = draw_of(draft, limits.sample_salt)
    return Delegation(chosen.name, is_sampled(draft, draw, chosen.sample))


def is_sampled(draft: Draft, draw: int, share: float) -> bool:
    """Tell whether a change is in the sample. The same in every pass; the salt in the lot keeps it unforeseen."""
    return _is_taken(draft, share) or _is_in(draw, share)


def draw_of(draft: Draft, salt: str) -> int:
    """Return the lot of a change, from 0 to 2**48 - 1. It tells nothing of the salt.

    It depends on the tenant, the action with its target and values, and the UTC day of the proposal; not on the
    proposal's id or on who asks, which can be had anew at will.
    """
    change = {
        "tenant": draft.tenant,
        "action": draft.action.model_dump(mode="json"),
        "day": draft.created_at.astimezone(UTC).date().isoformat(),
    }
    digest = hmac.digest(salt.encode(), canonical_json(change), hashlib.sha256)
    return int.from_bytes(digest[:6], "big")


def _is_taken(draft: Draft, share: float) -> bool:
    """What was edited had been put before people: other values are no way out of a sample."""
    return draft.revision > 1 and share > 0


def _is_in(draw: int, share: float) -> bool:
    return draw < share * 2**48


def _may(rule: AutomaticApproval, known: Judged) -> bool:
    facts = known.facts
    by_model = facts.draft.trust is Trust.UNTRUSTED and facts.draft.planner.kind is PlannerKind.OPENAI
    if by_model or not known.reversible or known.risk is RiskTier.HIGH or facts.environment is None:
        return False
    return not facts.is_production or facts.draft.environment in (rule.when.environments or ())
