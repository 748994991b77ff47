"""An explanation of one proposal, from what its newest guard pass recorded. Nothing is decided and nothing is written.

The sentences on what was said and decided are those of the decision record (`api/audit`); here they are put beside
the typed reasons, and joined by what would have to change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.engine import Row

from adapters.store import records
from api.audit import service as audit
from api.audit.schemas import DecisionRecord, Quote, Sentence
from api.explanation import wording
from api.explanation.alternatives import alternatives
from api.explanation.schemas import Alternative, Explanation, People, PolicyExplanation, Reason
from api.parts import ApiParts
from api.problems import Problem
from api.proposals import service as proposals
from api.proposals.schemas import ProposalView
from contracts.errors import RecordUnreadable
from contracts.evaluation import Evaluation, Outcome, Verdict
from contracts.ports import PolicyResult
from contracts.principal import Principal
from guardrails.recording import Record, parse

_POLICY = "policy"


async def explain(parts: ApiParts, proposal_id: str, caller: Principal) -> Explanation:
    """Explain why a proposal was allowed, denied or sent to people.

    Raises:
        Problem: 404, also for another tenant's.
    """
    view = await proposals.show(parts, proposal_id, caller)
    told = await audit.record(parts, proposal_id, caller)
    row = await _newest(parts, view)
    if row is None:
        return _explanation(view, told, None, (), None)
    evaluation = Evaluation.model_validate(row.document)
    record = _record_of(row)
    found, missing = await _weighed(parts, evaluation, record)
    return _explanation(view, told, evaluation, found, missing)


async def explain_policy(parts: ApiParts, proposal_id: str, caller: Principal) -> PolicyExplanation:
    """Return what the policies judged in the newest pass, and what they said.

    Raises:
        Problem: 404, also where no guard pass has run yet.
    """
    view = await proposals.show(parts, proposal_id, caller)
    row = await _newest(parts, view)
    evaluation = Evaluation.model_validate(row.document) if row is not None else None
    verdict = _policy_verdict(evaluation) if evaluation is not None else None
    if row is None or evaluation is None or verdict is None:
        raise Problem(404, "not_evaluated", "No guard pass has asked the policies about it yet.")
    record = _record_of(row)
    answer: PolicyResult | None = record.facts.policy if record is not None else None
    return PolicyExplanation(
        proposal_id=view.id,
        revision=evaluation.revision,
        pass_number=evaluation.pass_number,
        at=evaluation.at,
        policy_revision=evaluation.policy_revision,
        outcome=verdict.outcome,
        reason_code=verdict.reason_code,
        text=verdict.message,
        rules_evaluated=answer.rules_evaluated if answer is not None else None,
        violations=answer.violations if answer is not None else (),
        input=record.policy_input if record is not None else None,
        shadow=row.shadow,
    )


async def _newest(parts: ApiParts, view: ProposalView) -> Row[Any, Any, Any] | None:
    async with parts.database.reading() as connection:
        return await records.newest_record(connection, view.id, view.revision)


def _record_of(row: Row[Any, Any, Any]) -> Record | None:
    """None: nothing was kept, it was pruned, or another version wrote it."""
    if row.facts is None:
        return None
    try:
        return parse(row.facts)
    except RecordUnreadable:
        return None


async def _weighed(
    parts: ApiParts, evaluation: Evaluation, record: Record | None
) -> tuple[tuple[Alternative, ...], str | None]:
    if evaluation.outcome in (Outcome.ALLOW, Outcome.HOLD):
        return (), None
    if record is None:
        return (), wording.NOT_RECORDED
    if record.facts.observation is None:
        return (), wording.NOT_OBSERVED
    found = await alternatives(record, evaluation, parts.policy)
    if found:
        return found, None
    policy = record.facts.policy
    is_open = parts.policy is None and policy is not None and bool(policy.violations)
    return (), wording.POLICIES_NOT_ASKED if is_open else wording.NO_SIZE


def _explanation(
    view: ProposalView,
    told: DecisionRecord,
    evaluation: Evaluation | None,
    found: tuple[Alternative, ...],
    missing: str | None,
) -> Explanation:
    number = evaluation.pass_number if evaluation is not None else None
    standing = _not_allowing(evaluation.verdicts if evaluation is not None else ())
    changes = [wording.change(one, another_size_helps=bool(found)) for one in standing]
    changes += [one.text for one in found]
    return Explanation(
        proposal_id=view.id,
        summary=view.summary,
        state=view.state,
        revision=view.revision,
        headline=told.headline,
        outcome=evaluation.outcome if evaluation is not None else None,
        pass_number=number,
        at=evaluation.at if evaluation is not None else None,
        edited=_chapter(told, "edited"),
        judged=_judged(told, evaluation),
        decided=_chapter(told, "decided"),
        reasons=tuple(_reason(one) for one in standing),
        people=_people(view, evaluation),
        would_have_to_change=tuple(dict.fromkeys(changes)),
        alternatives=found,
        no_alternative=missing,
        policy_revision=evaluation.policy_revision if evaluation is not None else "",
        configuration_revision=evaluation.configuration_revision if evaluation is not None else None,
        rationale=Quote.of(view.reason, wording.author(view.authors), view.reason_is_unverified),
    )


def _not_allowing(verdicts: Iterable[Verdict]) -> list[Verdict]:
    found = [one for one in verdicts if one.outcome is not Outcome.ALLOW]
    return sorted(found, key=lambda one: (-one.outcome.severity, one.guardrail))


def _reason(verdict: Verdict) -> Reason:
    return Reason(
        guardrail=verdict.guardrail,
        outcome=verdict.outcome,
        rule=verdict.rule,
        rule_revision=verdict.rule_revision,
        reason_code=verdict.reason_code,
        text=verdict.message,
        remedy=verdict.remedy,
        held_on=verdict.held_on,
    )


def _people(view: ProposalView, evaluation: Evaluation | None) -> People | None:
    needed = evaluation.requirement if evaluation is not None else None
    if needed is None or needed.quorum == 0:
        return None
    return People(
        quorum=needed.quorum,
        roles=needed.roles,
        groups=needed.groups,
        rules=needed.rules,
        given=view.approvals_given,
        who_can_decide=view.who_can_decide,
    )


def _judged(told: DecisionRecord, evaluation: Evaluation | None) -> tuple[Sentence, ...]:
    """Of the newest pass: the record has a chapter for each, and of each revision."""
    if evaluation is None:
        return ()
    found = [one.sentences for one in told.chapters if one.key == f"judged-{evaluation.pass_number}"]
    return found[-1] if found else ()


def _chapter(told: DecisionRecord, key: str) -> tuple[Sentence, ...]:
    return next((one.sentences for one in told.chapters if one.key == key), ())


def _policy_verdict(evaluation: Evaluation) -> Verdict | None:
    return next((one for one in evaluation.verdicts if one.guardrail == _POLICY), None)
