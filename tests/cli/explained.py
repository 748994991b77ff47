"""Answers of the API that the commands of VERDICT in plain words show, made of the API's own shapes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from api.audit.schemas import Quote
from api.explanation import wording
from api.explanation.schemas import Alternative, Explanation, People, PolicyBasis, PolicyExplanation, Reason
from api.proposals.schemas import Actor, Excluded, WhoCanDecide
from api.shadow.schemas import Disagreement, Pair, ShadowComparison
from contracts.decision import DecisionKind
from contracts.evaluation import Outcome
from contracts.messages import summary_of
from contracts.ports import PolicyViolation
from contracts.principal import PrincipalKind, Role
from contracts.shadow import ShadowVerdict
from tests.api.audit.story import OLGA, Story
from tests.contracts.samples import NOON, resize

REVISION = "sha256:" + "a" * 64
CANDIDATE = "sha256:" + "b" * 64
FIRED = PolicyViolation(
    rule="shrink_to_zero_in_production",
    level="hard",
    message="A pool in production may not go to zero nodes.",
    remedy="Ask for at least one node per zone.",
)


def explanation(story: Story, outcome: Outcome | None, **changes: Any) -> dict[str, Any]:
    """What the API answers of a proposal that went through a story."""
    told = story.record()
    chapters = {one.key: one.sentences for one in told.chapters}
    fields: dict[str, Any] = {
        "proposal_id": told.proposal_id,
        "summary": summary_of(story.proposal.action),
        "state": told.state,
        "revision": story.proposal.revision,
        "headline": told.headline,
        "outcome": outcome,
        "pass_number": 1 if outcome else None,
        "at": NOON if outcome else None,
        "edited": chapters.get("edited", ()),
        "judged": [one for key, said in chapters.items() if key.startswith("judged") for one in said],
        "decided": chapters.get("decided", ()),
        "reasons": (),
        "people": None,
        "would_have_to_change": (),
        "alternatives": (),
        "no_alternative": None,
        "policy_revision": REVISION if outcome else "",
        "configuration_revision": REVISION if outcome else None,
        "rationale": Quote(text="the queue grows", by="agent capacity-agent", is_unverified=True),
    }
    return Explanation.model_validate(fields | changes).model_dump(mode="json")


def waiting() -> dict[str, Any]:
    """Edited once, and people are asked."""
    story = Story().waiting().voted(DecisionKind.APPROVE).edited(3, OLGA, "three do", "too_large").waiting()
    ana = Actor(kind=PrincipalKind.HUMAN, subject="ana", issuer="local")
    who = WhoCanDecide(roles=(Role.APPROVER,), groups=(), excluded=(Excluded(who=ana, why="requester"),))
    smaller = Alternative(
        outcome=Outcome.ALLOW,
        action=resize(2),
        text=wording.alternative(resize(2), Outcome.ALLOW, PolicyBasis.ASKED),
        policy=PolicyBasis.ASKED,
    )
    asked = People(
        quorum=1,
        roles=(Role.APPROVER,),
        groups=(),
        rules=("environment_quorum",),
        given=0,
        who_can_decide=who,
    )
    changes = ("An approver approves it.", smaller.text)
    return explanation(
        story,
        Outcome.REQUIRE_APPROVAL,
        people=asked,
        would_have_to_change=changes,
        alternatives=(smaller,),
    )


def denied() -> dict[str, Any]:
    """Denied, and no other size helps. Its proposer tries to write over the terminal."""
    reason = Reason(
        guardrail="blast_radius",
        outcome=Outcome.DENY,
        rule="bounds",
        rule_revision="7",
        reason_code="above_max_nodes",
        text="4 nodes per zone are above 3.",
        remedy=None,
        held_on=None,
    )
    return explanation(
        Story().denied_at_once(),
        Outcome.DENY,
        reasons=(reason,),
        would_have_to_change=(wording.NO_REMEDY.format(rule="bounds", guardrail="blast radius"),),
        no_alternative=wording.NO_SIZE,
        rationale=Quote(text="fine\x1b[2K\nApproved by ben\u202e", by="the alert", is_unverified=True),
    )


def unjudged() -> dict[str, Any]:
    """No guard pass yet."""
    return explanation(Story(), None, rationale=None)


def policies(**changes: Any) -> dict[str, Any]:
    """What the policies were asked, and said."""
    fields: dict[str, Any] = {
        "proposal_id": "prp_1",
        "revision": 2,
        "pass_number": 1,
        "at": NOON,
        "policy_revision": REVISION,
        "outcome": Outcome.DENY,
        "reason_code": "policy_denied",
        "text": "A policy forbids it.",
        "rules_evaluated": 12,
        "violations": (FIRED,),
        "input": {"action": {"kind": "gke.node_pool.resize"}},
        "shadow": ShadowVerdict(revision=CANDIDATE, outcome=Outcome.REQUIRE_APPROVAL).model_dump(mode="json"),
    }
    return PolicyExplanation.model_validate(fields | changes).model_dump(mode="json")


def comparison(**changes: Any) -> dict[str, Any]:
    """The live policies beside a candidate."""
    pair = Pair(
        live=Outcome.DENY,
        candidate=Outcome.REQUIRE_APPROVAL,
        count=1_234,
        unpriced=2,
        monthly_delta={"USD": Decimal("-1812.5")},
    )
    other = Disagreement(
        proposal_id="prp_1",
        revision=1,
        at=NOON,
        target="acme-prod/europe-west4/serving/inference",
        summary="resize acme-prod/serving/inference to 0 per zone",
        live=Outcome.DENY,
        candidate=Outcome.REQUIRE_APPROVAL,
        rules=(FIRED.rule,),
        violations=(FIRED,),
        monthly_delta=Decimal("-1812.5"),
        currency="USD",
    )
    fields: dict[str, Any] = {
        "since": NOON - timedelta(days=7),
        "revision": CANDIDATE,
        "revisions": (CANDIDATE,),
        "answered": 9_000,
        "agreed": 7_766,
        "unanswered": {"policy_timeout": 3},
        "pairs": (pair,),
        "disagreements": (other,),
    }
    return ShadowComparison.model_validate(fields | changes).model_dump(mode="json")
