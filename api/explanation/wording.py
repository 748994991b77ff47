"""Sentences of an explanation that the decision record does not have: all of them about what is not the case. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from api.audit import wording
from api.explanation.schemas import PolicyBasis
from api.proposals.schemas import Actor
from contracts.action import Action
from contracts.evaluation import Outcome, Verdict
from contracts.principal import Principal

NOT_RECORDED = "The facts of this pass are not kept any more, so other sizes cannot be weighed."
NOT_OBSERVED = "The target was not observed, so no other size can be weighed."
NO_SIZE = "No smaller change to this target alone would have had a better answer, all other facts the same."
POLICIES_NOT_ASKED = (
    "The policies denied it or asked for people, and they were not asked about other sizes here: "
    "whether a smaller change would do cannot be said."
)
NO_REMEDY = "The rule {rule} of {guardrail} would have to say otherwise."
"""A guardrail that names no remedy. It is not known of it whether another proposal would do."""
NO_REMEDY_AT_THIS_SIZE = (
    "For the size that was asked for, the rule {rule} of {guardrail} would have to say otherwise."
)
"""The same beside another size that is told to help."""
_OUTCOMES = {
    Outcome.ALLOW: "would have been allowed with nobody asked",
    Outcome.REQUIRE_APPROVAL: "would not have been denied; people would have been asked",
}
_BASES = {
    PolicyBasis.ASKED: "The policies were asked about this size.",
    PolicyBasis.AS_RECORDED: "The policies were not asked about this size: their answer was taken as recorded.",
}


def alternative(action: Action, outcome: Outcome, basis: PolicyBasis) -> str:
    """Return what would have become of another size."""
    asked = wording.asked(action)
    return f"With {asked} it {_OUTCOMES[outcome]}, all other facts the same. {_BASES[basis]}"


def change(verdict: Verdict, *, another_size_helps: bool) -> str:
    """Return what would have to change for another answer of one guardrail."""
    if verdict.remedy:
        return verdict.remedy
    told = NO_REMEDY_AT_THIS_SIZE if another_size_helps else NO_REMEDY
    return told.format(rule=verdict.rule, guardrail=verdict.guardrail.replace("_", " "))


def author(authors: Sequence[Actor]) -> str:
    """Return whose words the rationale is: the last who had a hand in the proposal."""
    last = authors[-1]
    return wording.who(Principal(kind=last.kind, subject=last.subject, issuer=last.issuer))
