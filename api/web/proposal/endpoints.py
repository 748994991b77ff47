"""`/proposals/{id}`: the page, its parts as they change, and what a person does there.

Every change goes through the service that the JSON API uses. A refusal answers with the whole page part anew: the
facts as they are now, what went wrong, and the words that were typed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request, Response

from api.explanation import service as explanation
from api.idempotency import Answer, Claim
from api.parts import ApiParts, Parts
from api.problems import Problem
from api.proposals import closing, commenting, decisions, overriding, revising, service, undoing
from api.proposals.schemas import CommentBody
from api.web.answers import go_to, toast
from api.web.forms import Kept, claim_of, fields_of, words_in
from api.web.proposal import forms, screen
from api.web.proposal.screen import Screen
from api.web.proposal.standing import told_conflict
from api.web.proposal.why import Why, why_of
from api.web.rendering import fragment, is_fragment_wanted, page
from api.web.routes import web_router
from api.web.session import SignedIn, SignedInEditor, SignedInOperator, SignedInRequesterOrOperator
from contracts.decision import DecisionStatus
from contracts.principal import Principal
from contracts.request import Channel

router = web_router("/proposals")

Size = Annotated[int | None, Query(ge=0, le=999_999)]
_Do = Callable[[Mapping[str, str], Claim], Awaitable[Answer]]


@router.get("/{proposal_id}")
async def show(
    proposal_id: str,
    request: Request,
    parts: Parts,
    me: SignedIn,
    node_count: Size = None,
    min_node_count: Size = None,
    max_node_count: Size = None,
) -> Response:
    """Show one proposal. A size in the address stands in the form that edits it; nothing is changed by that."""
    numbers = {
        "node_count": node_count,
        "min_node_count": min_node_count,
        "max_node_count": max_node_count,
    }
    shown = await screen.read(parts, proposal_id, me, kept=forms.prefilled(numbers))
    return await _page(request, me, shown)


@router.get("/{proposal_id}/facts")
async def facts(proposal_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show the ten facts as they are now."""
    shown = await screen.read(parts, proposal_id, me)
    return fragment(request, "proposal/facts.html", me=me, **_context(parts, shown))


@router.get("/{proposal_id}/why")
async def why(proposal_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show why it was decided so, as it is now."""
    shown = await screen.read(parts, proposal_id, me)
    about = await _why(parts, shown, me)
    return fragment(request, "proposal/why.html", me=me, **_context(parts, shown, why=about))


@router.get("/{proposal_id}/record")
async def record(proposal_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show everything below the fold as it is now."""
    shown = await screen.read(parts, proposal_id, me)
    return fragment(request, "proposal/record.html", me=me, **_context(parts, shown))


@router.get("/{proposal_id}/decision")
async def decision(
    proposal_id: str,
    request: Request,
    parts: Parts,
    me: SignedIn,
    seen: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Show the decision panel, or 204 while it is what the reader has: nobody's typing is disturbed for nothing."""
    shown = await screen.read(parts, proposal_id, me)
    if shown.version == seen:
        return Response(status_code=204)
    changed = seen.startswith("d") and (shown.doing.decide or shown.doing.edit)
    return fragment(request, "proposal/decision.html", me=me, **_context(parts, shown, changed=changed))


@router.post("/{proposal_id}/decisions")
async def decide(proposal_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Approve, reject or request a change of exactly what was shown."""

    async def do(fields: Mapping[str, str], claim: Claim) -> Answer:
        view = await service.show(parts, proposal_id, me)
        return await decisions.decide(parts, proposal_id, forms.decision_of(fields, view), me, claim)

    return await _submit(request, parts, me, proposal_id, "decision", do, _told_decision)


@router.post("/{proposal_id}/revisions")
async def revise(proposal_id: str, request: Request, parts: Parts, me: SignedInEditor) -> Response:
    """Give it another size: a new revision, through the gates again."""

    async def do(fields: Mapping[str, str], claim: Claim) -> Answer:
        return await revising.revise(parts, proposal_id, forms.edit_of(fields), me, claim)

    return await _submit(request, parts, me, proposal_id, "edit", do, _told_edit)


@router.post("/{proposal_id}/override")
async def override(proposal_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Let it through the change windows that close it now."""

    async def do(fields: Mapping[str, str], claim: Claim) -> Answer:
        return await overriding.override(parts, proposal_id, forms.override_of(fields), me, claim)

    return await _submit(request, parts, me, proposal_id, "override", do, _told_override)


@router.post("/{proposal_id}/comments")
async def comment(proposal_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Say something to the others."""

    async def do(fields: Mapping[str, str], claim: Claim) -> Answer:
        text = words_in(fields, needed="Write something first.")
        return await commenting.comment(parts, proposal_id, CommentBody(text=text), me, claim)

    return await _submit(request, parts, me, proposal_id, "comment", do, lambda _: "Comment added.")


@router.post("/{proposal_id}/cancel")
async def cancel(
    proposal_id: str, request: Request, parts: Parts, me: SignedInRequesterOrOperator
) -> Response:
    """Take it back before anything changed."""

    async def do(fields: Mapping[str, str], claim: Claim) -> Answer:
        return await closing.cancel(parts, proposal_id, words_in(fields), me, claim)

    return await _submit(request, parts, me, proposal_id, "cancel", do, lambda _: "Cancelled. Nothing ran.")


@router.post("/{proposal_id}/resolve")
async def resolve(proposal_id: str, request: Request, parts: Parts, me: SignedInOperator) -> Response:
    """Say how a dirty target was found and left."""

    async def do(fields: Mapping[str, str], claim: Claim) -> Answer:
        return await closing.resolve(parts, proposal_id, forms.resolution_of(fields), me, claim)

    return await _submit(
        request, parts, me, proposal_id, "resolve", do, lambda _: "Resolved. The target is free."
    )


@router.post("/{proposal_id}/undo")
async def undo(proposal_id: str, request: Request, parts: Parts, me: SignedInRequesterOrOperator) -> Response:
    """Propose the state before again: a new proposal, through all gates. Its page opens."""

    async def do(fields: Mapping[str, str], claim: Claim) -> Answer:
        return await undoing.undo(parts, proposal_id, words_in(fields), me, Channel.WEB, claim)

    return await _submit(request, parts, me, proposal_id, "undo", do, lambda _: "", opens_new=True)


async def _submit(
    request: Request,
    parts: ApiParts,
    me: Principal,
    proposal_id: str,
    form: str,
    do: _Do,
    told: Callable[[Answer], str],
    *,
    opens_new: bool = False,
) -> Response:
    """Run one form. htmx gets the page part anew, a browser without scripts is sent to the page."""
    fields = await fields_of(request)
    try:
        answer = _accepted(await do(fields, claim_of(request, me, fields)))
    except Problem as problem:
        if problem.status == HTTPStatus.NOT_FOUND:
            raise
        return await _refused(request, parts, me, proposal_id, form, fields, problem)
    opened = answer.body["proposal_id"] if opens_new else proposal_id
    if opens_new or not is_fragment_wanted(request):
        return go_to(request, f"/proposals/{opened}")
    shown = await screen.read(parts, proposal_id, me)
    headers, about = toast(told(answer)), await _why(parts, shown, me)
    return fragment(
        request, "proposal/body.html", me=me, headers=headers, **_context(parts, shown, why=about)
    )


def _accepted(answer: Answer) -> Answer:
    """Return the answer; a repeated key answers as it did the first time, with its refusal too."""
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise Problem(answer.status, answer.body["reason_code"], answer.body["detail"])
    return answer


async def _refused(
    request: Request,
    parts: ApiParts,
    me: Principal,
    proposal_id: str,
    form: str,
    fields: Mapping[str, str],
    problem: Problem,
) -> Response:
    shown = await screen.read(parts, proposal_id, me, kept=Kept.refused(form, fields, problem))
    vote = shown.view.decided_by
    age = (shown.read_at - vote.at).total_seconds() if vote else None
    about: dict[str, Any] = {"problem": problem, "conflict": told_conflict(shown.view, problem.code, age)}
    if is_fragment_wanted(request):
        about["why"] = await _why(parts, shown, me)
        return fragment(
            request, "proposal/body.html", me=me, status=problem.status, **_context(parts, shown, **about)
        )
    return await _page(request, me, shown, status=problem.status, **about)


def _told_edit(answer: Answer) -> str:
    return f"Revision {answer.body['revision']} is being evaluated. Every vote before it is void."


def _told_override(answer: Answer) -> str:
    return f"Overrode {', '.join(answer.body['windows'])}. It is looked at again at once."


def _told_decision(answer: Answer) -> str:
    if answer.body["status"] == DecisionStatus.RECORDED:
        return "Your decision is signed and stored. The workflow takes it in a moment."
    return f"Your decision counts: {answer.body['approvals']} of {answer.body['quorum']} approved."


async def _page(
    request: Request, me: Principal, shown: Screen, *, status: int = 200, **about: object
) -> Response:
    """Answer with the page. Its section “Why” comes by itself: it asks the policies about other sizes, one by one."""
    parts: ApiParts = request.app.state.parts
    context = _context(parts, shown, why=None, why_comes=bool(shown.view.verdicts), **about)
    return await page(request, "proposal/page.html", me=me, active="inbox", status=status, **context)


async def _why(parts: ApiParts, shown: Screen, me: Principal) -> Why | None:
    told = await explanation.explain(parts, shown.view.id, me)
    return why_of(told, may_edit=shown.doing.edit, may_ask=shown.doing.ask)


def _context(
    parts: ApiParts,
    shown: Screen,
    *,
    why: Why | None = None,
    why_comes: object = False,
    problem: object = None,
    conflict: object = "",
    changed: object = False,
) -> dict[str, Any]:
    """Return what every template of this room gets. `changed`: the panel replaces one that its reader was using."""
    return {
        "screen": shown,
        "view": shown.view,
        "doing": shown.doing,
        "kept": shown.kept,
        "problem": problem,
        "conflict": conflict,
        "changed": changed,
        "why": why,
        "why_comes": why_comes,
        "reason_names": screen.REASON_OPTIONS,
        "workflow_url": parts.workflow_url(shown.view.workflow_id),
    }
