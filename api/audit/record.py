"""AUDIT: the decision record of one proposal, in plain words from typed facts. Pure: view and events in, record out.

What an agent, an alert or a person wrote appears as a quotation with its author, never in a sentence of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api import words
from api.audit import chapters, wording
from api.audit.course import Course, Move, Numbered, Proved, course_of, numbers
from api.audit.schemas import Chapter, DecisionRecord, Sentence
from api.proposals.schemas import ProposalView
from contracts.decision import DecisionKind
from contracts.effect import ReceiptOutcome
from contracts.evaluation import Outcome
from contracts.proposal import DECIDE_BY_PASSED, DRY_RUN, ProposalState

_NOTHING_RAN = "Nothing ran."
_RESOLVED = "resolved_by_operator"


def record_of(view: ProposalView, events: Sequence[Numbered], *, is_complete: bool = True) -> DecisionRecord:
    """Return the record of a proposal from its own events and those of its request, in the order they were written.

    `is_complete=False` says that there are more events than were read. Then, and where one cannot be read any more,
    nothing is claimed of the end but the state in which the proposal stands.
    """
    course = course_of(events)
    is_complete = is_complete and not course.unreadable
    state = course.state if is_complete else view.state
    proof = [one.number for one in events if one.number is not None]
    return DecisionRecord(
        proposal_id=view.id,
        summary=view.summary,
        target=view.target,
        environment=view.environment,
        mode=view.mode,
        state=state,
        is_final=state.is_final,
        nothing_ran=is_complete and state.is_final and course.nothing_was_called,
        revision=view.revision,
        digest=view.digest,
        headline=_headline(course) if is_complete else _standing(state),
        chapters=tuple(one for one in _chapters(course) if one.sentences),
        first_number=proof[0] if proof else None,
        last_number=proof[-1] if proof else None,
        events=len(events),
        unnumbered=len(events) - len(proof),
        is_complete=is_complete,
    )


def _chapters(course: Course) -> Iterable[Chapter]:
    yield Chapter(key="asked", title="Who asked for what", sentences=tuple(chapters.asking(course)))
    yield Chapter(key="edited", title="What was edited", sentences=tuple(chapters.editing(course)))
    yield Chapter(key="change", title="What would change", sentences=tuple(chapters.observing(course)))
    for found in course.evaluations:
        number, revision = found.fact.pass_number, found.fact.revision
        of_edit = f" of revision {revision}" if revision > 1 else ""
        title = f"What the guardrails said, pass {number}{of_edit}"
        yield Chapter(key=f"judged-{number}", title=title, sentences=tuple(chapters.judging(found)))
    yield Chapter(key="decided", title="Who decided", sentences=tuple(chapters.deciding(course)))
    yield Chapter(
        key="called", title="What was called at the provider", sentences=tuple(chapters.acting(course))
    )
    yield Chapter(key="verified", title="What was verified", sentences=tuple(chapters.verifying(course)))
    yield Chapter(key="money", title="Money", sentences=tuple(chapters.paying(course)))
    yield Chapter(key="ended", title="From state to state", sentences=tuple(chapters.moving(course)))


def _standing(state: ProposalState) -> Sentence:
    return Sentence(text=f"Its state is {words.plain(state)}. Not every event of it is told here.", proof=())


def _headline(course: Course) -> Sentence:
    if not course.moves:
        return Sentence(text="It is being evaluated. Nothing ran so far.", proof=numbers(*course.drafts))
    last = course.moves[-1]
    text = _ending(course, last)
    if course.nothing_was_called and _NOTHING_RAN not in text:
        text += f" {_NOTHING_RAN}" if course.state.is_final else " Nothing ran so far."
    late = [] if course.was_dirty else course.late
    if late:
        text += " Besides, a call was made too late, or may have been: a person must look."
    return Sentence(text=text, proof=numbers(last, *late), at=last.at)


def _ending(course: Course, last: Proved[Move]) -> str:
    state, code = last.fact.after, last.fact.reason_code
    if code == _RESOLVED:
        found = f"{wording.who(last.actor)} looked and resolved it as {words.plain(state)}."
        return f"It had gone dirty. {found}"
    if state in _ENDINGS:
        return _ENDINGS[state].format(code=code)
    match state:
        case ProposalState.SUCCEEDED:
            return _success(course)
        case ProposalState.DENIED:
            return _denial(course, code)
        case ProposalState.REJECTED:
            return f"Rejected by {_rejecter(course)}."
        case ProposalState.EXPIRED:
            late = "nobody decided in time" if code == DECIDE_BY_PASSED else "it could not start in time"
            return f"Expired: {late}, which counts as no."
        case ProposalState.CANCELLED if code == DRY_RUN:
            return "A dry run: it was judged, as asked, and closed."
        case ProposalState.CANCELLED:
            return f"Taken back by {wording.who(last.actor)} before anything changed ({code})."
        case _:
            return f"Not over: {words.plain(state)} ({code})."


_ENDINGS = {
    ProposalState.STALE: "The target was no longer what had been approved ({code}).",
    ProposalState.FAILED: "Failed: the provider would not take the change ({code}).",
    ProposalState.ROLLED_BACK: "The outcome was wrong. It was taken back, and the way back was verified.",
    ProposalState.DIRTY: "Dirty: what the target is like is not certain, and a person must look ({code}).",
}


def _success(course: Course) -> str:
    if any(one.fact.outcome is ReceiptOutcome.NO_OP for one in course.receipts):
        return "Succeeded without a call: the target already was as wanted."
    return "Succeeded: the change was made once, and verified at the provider."


def _denial(course: Course, code: str) -> str:
    judged = course.evaluations[-1].fact if course.evaluations else None
    if judged is None or judged.outcome is not Outcome.DENY:
        return f"Denied ({code})."
    denying = [words.plain(one.guardrail) for one in judged.verdicts if one.outcome is Outcome.DENY]
    return f"Denied by {' and '.join(denying)} ({code})."


def _rejecter(course: Course) -> str:
    for vote in reversed(course.applied):
        if vote.fact.decision.kind is DecisionKind.REJECT:
            return wording.who(vote.fact.decision.reviewer)
    return "a reviewer"
