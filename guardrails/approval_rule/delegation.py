"""GUARDRAIL approval rule: what the operator lets pass without a person, and the sample of it that is looked at.

Never delegated, whatever the rules say: what a model made of untrusted text, what no single call takes back, a high
risk, an environment that is not declared, and production unless the rule names that environment.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from contracts.configuration.approval import AutomaticApproval
from contracts.evaluation import RiskTier
from contracts.proposal import PlannerKind
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
    draw = known.facts.sample_draw
    if draw is None:
        draw = draw_of(known.facts.draft.id, limits.sample_salt)
    return Delegation(chosen.name, _is_in(draw, chosen.sample))


def is_sampled(proposal_id: str, salt: str, share: float) -> bool:
    """Tell whether a proposal is in the sample. The same in every pass and revision; the salt keeps it unforeseen."""
    return _is_in(draw_of(proposal_id, salt), share)


def draw_of(proposal_id: str, salt: str) -> int:
    """Return the lot of a proposal, from 0 to 2**48 - 1. It tells nothing of the salt."""
    digest = hmac.digest(salt.encode(), proposal_id.encode(), hashlib.sha256)
    return int.from_bytes(digest[:6], "big")


def _is_in(draw: int, share: float) -> bool:
    return draw < share * 2**48


def _may(rule: AutomaticApproval, known: Judged) -> bool:
    facts = known.facts
    by_model = facts.draft.trust is Trust.UNTRUSTED and facts.draft.planner.kind is PlannerKind.OPENAI
    if by_model or not known.reversible or known.risk is RiskTier.HIGH or facts.environment is None:
        return False
    return not facts.is_production or facts.draft.environment in (rule.when.environments or ())
