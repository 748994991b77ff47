"""The chapters of a decision record: who asked, what the gates said, who decided, what was called, what it cost. Pure.

Every sentence is made of typed facts and carries the numbers of the events that prove it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from api import words
from api.audit import wording
from api.audit.course import Course, Late, Proved, numbers, of_step
from api.audit.schemas import Quote, Sentence
from contracts.action import ResizeNodePool
from contracts.decision import SignedDecision
from contracts.effect import Intent, Receipt, Step, Verification
from contracts.evaluation import Evaluation, Outcome
from contracts.proposal import Draft, PlannerKind, Proposal, ProposalState
from contracts.request import Request, Trust


def asking(course: Course) -> Iterator[Sentence]:
    """Who asked, in which words, and what planner turned them into a typed action."""
    for request in course.requests:
        yield _request(request)
    for draft in course.drafts:
        yield from _draft(draft)


def _request(found: Proved[Request]) -> Sentence:
    request = found.fact
    asker = wording.who(request.requester)
    if request.alert is not None:
        text = f"{asker} passed on an alert that was {request.alert.status}."
    else:
        text = f"{asker} asked by {request.channel}."
    untrusted = request.trust is Trust.UNTRUSTED
    return _said(text, found, quote=Quote.of(request.text, "the alert" if untrusted else asker, untrusted))


def _draft(found: Proved[Draft]) -> Iterator[Sentence]:
    draft = found.fact
    by = draft.authors[-1]
    what = f"to {draft.action.verb} {wording.place(draft.action)} to {wording.asked(draft.action)}"
    by_person = draft.planner.kind in (PlannerKind.DIRECT, PlannerKind.UNDO)
    untrusted = not by_person or draft.trust is Trust.UNTRUSTED
    quote = Quote.of(draft.reason, wording.who(by if by_person else draft.authors[-1]), untrusted)
    yield _said(f"{wording.planned_by(draft.planner, by)}: {what}.", found, quote=quote)
    if draft.undoes:
        yield _said(f"It takes back what {draft.undoes} did.", found)
    where = f"the environment {draft.environment}" if draft.environment else "no registered environment"
    mode = "; practice mode: an emulator, no real cloud" if draft.mode == "practice" else ""
    yield _said(f"The target belongs to {where}{mode}.", found)
    if draft.dry_run:
        yield _said("It was a dry run: to be judged, never to be carried out.", found)
    times = f"{words.utc(draft.decide_by)}, and started by {words.utc(draft.execute_by)}"
    yield _said(f"It had to be decided by {times}.", found)


def editing(course: Course) -> Iterator[Sentence]:
    """Who changed which value of it while it waited, from what to what."""
    before = course.drafts[-1].fact if course.drafts else None
    for found in course.edits:
        after, editor = found.fact.draft, wording.who(found.actor)
        named = f" ({words.plain(found.fact.reason_name)})" if found.fact.reason_name else ""
        changed = ", ".join(wording.changes(before.action if before else None, after.action))
        told = f"{editor} edited it into revision {after.revision}{named}: {changed}."
        quote = Quote.of(after.reason, editor, is_unverified=False)
        yield _said(
            f"{told} Votes before it became void, and the guardrails judged anew.", found, quote=quote
        )
        before = after


def observing(course: Course) -> Iterator[Sentence]:
    """What the provider reported beforehand, and the digest of exactly what was decided on."""
    for found in course.observed:
        proposal = found.fact
        seen = proposal.observation
        told = f"{wording.sizes(seen.target_sizes)} on {seen.machine_type}"
        if not isinstance(proposal.action, ResizeNodePool):
            told = f"{wording.bounds(seen.autoscaling)}, {told}"
        yield _said(f"At {words.utc(seen.taken_at)} the provider reported {told}.", found)
        yield _said(_difference(proposal), found)
        yield _said(f"Revision {proposal.revision} of it has the digest {proposal.digest}.", found)


def _difference(proposal: Proposal) -> str:
    action, seen = proposal.action, proposal.observation
    if isinstance(action, ResizeNodePool):
        after = action.node_count * len(seen.zones)
        return (
            f"The change goes from {wording.count(seen.total_target, 'node')} to {after:,}: "
            f"{action.node_count:,} in each of {wording.count(len(seen.zones), 'zone')}."
        )
    return f"The change goes from {wording.bounds(seen.autoscaling)} to {wording.asked(action)}."


def judging(found: Proved[Evaluation]) -> Iterator[Sentence]:
    """What each guardrail said in one pass, worst first."""
    evaluation = found.fact
    revision = f", under policy {evaluation.policy_revision}" if evaluation.policy_revision else ""
    together = wording.JUDGED[evaluation.outcome]
    total = wording.count(len(evaluation.verdicts), "guardrail")
    yield _said(
        f"{total} looked at revision {evaluation.revision}{revision}; together they {together}.", found
    )
    ordered = sorted(evaluation.verdicts, key=lambda one: (-one.outcome.severity, one.guardrail))
    for verdict in ordered:
        rule = f"rule {verdict.rule}" + (f" at {verdict.rule_revision}" if verdict.rule_revision else "")
        said = f"{words.plain(verdict.guardrail).capitalize()} {wording.JUDGED[verdict.outcome]}"
        yield _said(f"{said} ({rule}, {verdict.reason_code}): {verdict.message}", found)
    if evaluation.cost is not None:
        cost = evaluation.cost
        stale = ", prices that are out of date" if cost.is_stale else ""
        delta = words.delta(cost.monthly_delta, cost.currency)
        yield _said(
            f"At list prices of {cost.price_as_of} it changes the bill by {delta} a month{stale}.", found
        )
    if evaluation.requirement is not None and evaluation.requirement.quorum:
        needed = evaluation.requirement
        roles = " or ".join(needed.roles)
        people = wording.count(needed.quorum, "approval")
        yield _said(
            f"It needed {people} of people with the role {roles}, by {', '.join(needed.rules)}.", found
        )


def deciding(course: Course) -> Iterator[Sentence]:
    """Who decided, with which key, on which digests; and which decisions did not count."""
    accepted = {one.fact.decision.id: one for one in course.applied}
    recorded = {one.fact.decision.id for one in course.recorded}
    for vote in course.recorded:
        yield _vote(vote, accepted.get(vote.fact.decision.id))
    for vote in course.applied:
        if vote.fact.decision.id not in recorded:
            yield _vote(vote, vote)
    for refusal in course.refused:
        claimed = refusal.fact.claimed_reviewer
        whose = (
            f"A message that claimed to be from {claimed}, which nothing proves," if claimed else "A decision"
        )
        yield _said(f"{whose} did not count ({refusal.fact.reason_code}).", refusal)
    for void in course.voided:
        yield _said(f"Decision {void.fact.decision_id} became void ({void.fact.reason_code}).", void)
    for comment in course.comments:
        by = wording.who(comment.actor)
        yield _said(f"{by} commented.", comment, quote=Quote.of(comment.fact, by, is_unverified=False))
    if not course.recorded and not course.applied:
        yield Sentence(text=_nobody(course), proof=numbers(*course.evaluations[-1:]))


def _vote(found: Proved[SignedDecision], accepted: Proved[SignedDecision] | None) -> Sentence:
    decision = found.fact.decision
    by = wording.who(decision.reviewer)
    named = f" as {words.plain(decision.reason_name)}" if decision.reason_name else ""
    signed = (
        f"signed with key {decision.key_id} over the proposal digest {decision.proposal_digest} "
        f"and the evaluation digest {decision.evaluation_digest}"
    )
    counted = "The workflow accepted it." if accepted else "The workflow has not accepted it."
    text = f"{by} {wording.VOTED[decision.kind]} revision {decision.revision}{named}, {signed}. {counted}"
    proof = numbers(found, *([accepted] if accepted else []))
    quote = Quote.of(decision.reason, by, is_unverified=False)
    return Sentence(text=text, proof=proof, at=decision.at, quote=quote)


def _nobody(course: Course) -> str:
    judged = course.evaluations[-1].fact if course.evaluations else None
    if judged is None:
        return "Nobody decided: no guardrail had looked at it."
    if judged.outcome is Outcome.DENY:
        return "Nobody was asked: a guardrail denied it."
    if judged.requirement is None or judged.requirement.quorum == 0:
        return "Nobody had to decide: the guardrails asked for no person."
    return "Nobody decided." if course.state.is_final else "Nobody has decided yet."


def acting(course: Course) -> Iterator[Sentence]:
    """What was called at the provider, forward and back, and how that ended."""
    if course.nothing_was_called:
        proof = numbers(*course.receipts, *course.intents, *course.moves[-1:])
        yield Sentence(text=_nothing(course), proof=proof)
    for taken, domain in ((one, one.fact[1]) for one in course.leases if one.fact[0]):
        yield _said(f"It took the right to act on {domain}, which no other proposal then had.", taken)
    for step in Step:
        for intent in of_step(course.intents, step):
            yield _said(_intent(intent.fact), intent)
        for issued in of_step(course.issued, step):
            found = "was found again as ours" if issued.fact.adopted else "was accepted"
            told = f"At the provider {wording.EFFECTS[step]} {found}: operation {issued.fact.operation}."
            yield _said(told, issued)
        for late in of_step(course.late, step):
            yield _said(_late(late.fact), late)
        for receipt in of_step(course.receipts, step):
            yield _said(_receipt(receipt.fact), receipt)
    for given, domain in ((one, one.fact[1]) for one in course.leases if not one.fact[0]):
        yield _said(f"It gave back the right to act on {domain}.", given)


def _nothing(course: Course) -> str:
    if not course.state.is_final:
        return "Nothing ran so far: no call was made to the provider."
    if any(one.fact.outcome.value == "refused" for one in course.receipts):
        return "Nothing ran: the provider refused the call and changed nothing."
    return "Nothing ran: no call was made to the provider."


def _intent(intent: Intent) -> str:
    prior = wording.sizes(intent.prior.target_sizes)
    what = wording.EFFECTS[intent.step]
    return (
        f"Before any call, attempt {intent.fence} wrote down {what}: {intent.action.verb} "
        f"{wording.place(intent.action)} to {wording.asked(intent.action)}, from {prior}; "
        f"no call of it could be under way after {words.utc(intent.call_deadline)}."
    )


def _late(found: Late) -> str:
    what, named = wording.EFFECTS[found.step], f": operation {found.operation}" if found.operation else ""
    if found.is_certain:
        return f"A worker that had slept called for {what} too late{named}. Somebody was paged."
    told = f"A worker that had slept may have called for {what} too late, and nobody can tell{named}"
    return f"{told}. Somebody was paged."


def _receipt(receipt: Receipt) -> str:
    code = f" ({receipt.error_code})" if receipt.error_code else ""
    what = wording.EFFECTS[receipt.step].capitalize()
    return f"{what} ended: {wording.RECEIPTS[receipt.outcome]}{code}."


def verifying(course: Course) -> Iterator[Sentence]:
    """What was found at the provider afterwards."""
    for found in course.verifications:
        yield _said(_verification(found.fact), found)
    if course.receipts and not course.verifications and course.nothing_was_called:
        yield Sentence(text="There was nothing to verify.", proof=numbers(*course.receipts))


def _verification(found: Verification) -> str:
    running = {zone.zone: zone.running for zone in found.observed_zones}
    seen = f"{wording.sizes(running)} running" if running else wording.bounds(found.observed_bounds)
    ready = f", {wording.count(found.ready_nodes, 'node')} Ready" if found.ready_nodes is not None else ""
    answer = "That is as expected" if found.matches else f"That is not as expected ({found.reason_code})"
    return (
        f"After {wording.EFFECTS[found.step]}, {wording.sizes(found.expected)} was expected; the provider showed "
        f"{seen}{ready}. {answer}, found out in {found.took_seconds:.0f} s."
    )


def paying(course: Course) -> Iterator[Sentence]:
    """What was reserved, spent and given back, per budget."""
    verbs = {
        "reserve": "were reserved",
        "commit": "were booked as spent",
        "release": "were given back",
        "adjust": "were booked beyond what was reserved",
    }
    open_amounts: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for found in course.postings:
        one = found.fact
        amount = words.money(one.amount, one.currency)
        done = "were saved" if one.gives_back else verbs[one.kind]
        yield _said(f"{amount} {done} in the budget {one.scope} for {one.window}.", found)
        signed = {"reserve": one.amount, "adjust": Decimal(0)}.get(one.kind, -one.amount)
        open_amounts[one.scope, one.window, one.currency] += signed
    if not course.postings:
        yield Sentence(text="No money was reserved or spent.", proof=())
        return
    still = [(amount, key) for key, amount in open_amounts.items() if amount]
    for left, (scope, window, currency) in still:
        text = f"{words.money(left, currency)} stay reserved in the budget {scope} for {window}."
        yield Sentence(text=text, proof=numbers(*course.postings))
    if not still and course.state.is_final:
        yield Sentence(text="Nothing stays reserved.", proof=numbers(*course.postings))


def moving(course: Course) -> Iterator[Sentence]:
    """Every change of state, in order."""
    for found in course.moves:
        one = found.fact
        by_person = found.actor.issuer != "sluice"
        by = f" by {wording.who(found.actor)}" if by_person else ""
        states = f"{words.plain(one.before).capitalize()} → {words.plain(one.after)}"
        in_own_words = by_person and one.reason_code != "alert_resolved"
        quote = Quote.of(one.message, wording.who(found.actor), is_unverified=False) if in_own_words else None
        yield _said(f"{states}{by} ({one.reason_code}).", found, quote=quote)
    if course.state is ProposalState.DIRTY:
        text = "It waits for an operator to look and to resolve it; its target stays locked until then."
        yield Sentence(text=text, proof=numbers(*course.moves[-1:]))


def _said(text: str, found: Proved[object], *, quote: Quote | None = None) -> Sentence:
    return Sentence(text=text, proof=numbers(found), at=found.at, quote=quote)
