"""Shapes of an explanation. Texts may change; branch on codes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from api.audit.schemas import Quote, Sentence, View
from api.proposals.schemas import WhoCanDecide
from contracts.action import Action
from contracts.evaluation import Outcome
from contracts.ports import PolicyViolation
from contracts.principal import Role
from contracts.proposal import ProposalState


class Reason(View):
    """One guardrail that did not simply allow it."""

    guardrail: str
    outcome: Outcome
    rule: str
    rule_revision: str
    reason_code: str
    text: str
    """What it said, for a person."""
    remedy: str | None
    """What would have to change, and who can change it."""
    held_on: str | None


class People(View):
    """Who must approve."""

    quorum: int
    roles: tuple[Role, ...]
    groups: tuple[str, ...]
    rules: tuple[str, ...]
    """Which rules ask for them: the why."""
    given: int
    """Approvals of this revision that count."""
    who_can_decide: WhoCanDecide | None


class PolicyBasis(StrEnum):
    """What is known of the policies where another size is weighed."""

    ASKED = "asked"
    """They were asked about exactly this size, with the facts of then."""
    AS_RECORDED = "as_recorded"
    """Their answer to what was proposed was taken: no policy was asked again."""


class Alternative(View):
    """The nearest size that would have had another answer, all other facts the same."""

    outcome: Outcome
    action: Action
    text: str
    policy: PolicyBasis


class Explanation(View):
    """One proposal, explained from the facts of its newest guard pass."""

    proposal_id: str
    summary: str
    state: ProposalState
    revision: int
    headline: Sentence
    """How it stands, in one sentence, with the audit events that prove it."""
    outcome: Outcome | None
    """None before the first pass."""
    pass_number: int | None
    at: datetime | None
    edited: tuple[Sentence, ...]
    """Who changed which value of it while it waited, from what to what; empty: nobody did."""
    judged: tuple[Sentence, ...]
    """What each guardrail said in that pass, worst first, then cost and requirement."""
    decided: tuple[Sentence, ...]
    """Who decided, or why nobody had to."""
    reasons: tuple[Reason, ...]
    """Why it is not simply allowed, worst first. Empty: every guardrail allows it."""
    people: People | None
    """Who must approve; None when nobody is asked."""
    would_have_to_change: tuple[str, ...]
    """For each denial and hold, and each question to people: what would change the answer."""
    alternatives: tuple[Alternative, ...]
    """Other sizes, the freest answer first."""
    no_alternative: str | None
    """Why there is none, where one was looked for."""
    policy_revision: str
    configuration_revision: str | None
    rationale: Quote | None
    """Words of whoever proposed it. They were not believed, and explain nothing by themselves."""


class PolicyExplanation(View):
    """What the policies were asked in the newest pass, and what they said."""

    proposal_id: str
    revision: int
    pass_number: int
    at: datetime
    policy_revision: str
    outcome: Outcome
    """Of the guardrail `policy`."""
    reason_code: str
    text: str
    rules_evaluated: int | None
    violations: tuple[PolicyViolation, ...]
    input: dict[str, JsonValue] | None
    """The document they judged; None when it was not recorded, or was pruned."""
    shadow: dict[str, Any] | None
    """What a candidate in shadow said of the same document (`contracts.shadow.ShadowVerdict`)."""
