"""Break-glass: asked for by one person, confirmed by a second, ended, reviewed by a third.

Every change goes through `api/safety/break_glass.py`. A refusal keeps what was typed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response

from api.fleet import service as fleet_service
from api.idempotency import Answer, Claim
from api.parts import ApiParts, Parts
from api.problems import Problem
from api.safety import break_glass as service
from api.safety.exception_schemas import ReviewBody
from api.web.answers import go_to, toast
from api.web.forms import Kept, claim_of, fields_of, words_in
from api.web.operations.grants import GATE, grant_of, most_minutes, sorted_grants
from api.web.operations.scope import FIELDS, KIND_OPTIONS, SOME, agents_of, targets_of
from api.web.operations.showing import may_be_second, show, show_one
from api.web.rendering import is_fragment_wanted
from api.web.routes import web_router
from api.web.session import SignedIn, SignedInOperator, SignedInSecondPerson
from contracts.principal import Principal

router = web_router("/break-glass")

_PATH = "/operations/break-glass"
_NO_REASON = "Say why. Everybody sees it, and the review asks about it."
Act = Callable[[Claim], Awaitable[Answer]]
"""What a form of a grant's page does, once."""
_NO_WORDS = "Say what the review came to. It stays in the audit log."


@router.get("")
async def grants(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show what waits, what counts, which reviews are open, and what is over."""
    found = await service.grants(parts, ())
    limits = parts.configuration.break_glass
    return await show(request, me, "break_glass", listed=sorted_grants(found.items), limits=limits)


@router.get("/new")
async def new(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Ask what it should cover, which gates, why, and for how long. The address may name a place already."""
    named = {name: request.query_params.get(name, "") for name in FIELDS}
    chosen = {"covers": SOME} if any(named.values()) else {}
    return await _choose(request, parts, me, Kept(named | chosen, form="open"))


@router.post("")
async def open_grant(request: Request, parts: Parts, me: SignedInOperator) -> Response:
    """Ask for it. It bypasses nothing until a second person confirms."""
    fields = await fields_of(request)
    try:
        body = grant_of(fields, words_in(fields, needed=_NO_REASON).strip())
        made = await service.open_grant(parts, body, me, claim_of(request, me, fields))
    except Problem as problem:
        return await _choose(request, parts, me, Kept.refused("open", fields, problem), problem=problem)
    return go_to(request, f"{_PATH}/{made.body['id']}")


@router.get("/{grant_id}")
async def show_grant(grant_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show one grant: where it stands, what it bypasses and what it let through."""
    return await _show(request, parts, me, grant_id)


@router.post("/{grant_id}/confirm")
async def confirm(grant_id: str, request: Request, parts: Parts, me: SignedInSecondPerson) -> Response:
    """Confirm it as the second person."""

    async def act(claim: Claim) -> Answer:
        return await service.confirm(parts, grant_id, me, claim)

    return await _act(request, parts, me, grant_id, act, "It counts from now on.")


@router.post("/{grant_id}/end")
async def end(grant_id: str, request: Request, parts: Parts, me: SignedInSecondPerson) -> Response:
    """End it before its time."""

    async def act(claim: Claim) -> Answer:
        return await service.end(parts, grant_id, me, claim)

    return await _act(request, parts, me, grant_id, act, "It bypasses nothing any more.")


@router.post("/{grant_id}/review")
async def review(grant_id: str, request: Request, parts: Parts, me: SignedInSecondPerson) -> Response:
    """Close the review, in words."""
    fields = await fields_of(request)

    async def act(claim: Claim) -> Answer:
        words = words_in(fields, needed=_NO_WORDS).strip()
        return await service.review(parts, grant_id, ReviewBody(words=words), me, claim)

    return await _act(request, parts, me, grant_id, act, "The review is closed.")


async def _act(
    request: Request, parts: ApiParts, me: Principal, grant_id: str, act: Act, done: str
) -> Response:
    """Do what a form of a grant's page asks for. A refusal shows the grant as it is now, with the words kept."""
    fields = await fields_of(request)
    try:
        await act(claim_of(request, me, fields))
    except Problem as problem:
        if problem.status == HTTPStatus.NOT_FOUND:
            raise
        kept = Kept.refused("review", fields, problem)
        return await _show(request, parts, me, grant_id, status=problem.status, kept=kept, problem=problem)
    if not is_fragment_wanted(request):
        return go_to(request, f"{_PATH}/{grant_id}")
    return await _show(request, parts, me, grant_id, headers=toast(done))


async def _show(request: Request, parts: ApiParts, me: Principal, grant_id: str, **context: Any) -> Response:
    found = await service.grant_for(parts, grant_id, me)
    limits = parts.configuration.break_glass
    return await show_one(
        request,
        me,
        "grant",
        grant=found.view,
        about=found,
        limits=limits,
        may_be_second=may_be_second(me),
        **context,
    )


async def _choose(
    request: Request, parts: ApiParts, me: Principal, kept: Kept, *, problem: Problem | None = None
) -> Response:
    fleet = await fleet_service.fleet(parts)
    limits = parts.configuration.break_glass
    return await show_one(
        request,
        me,
        "new_grant",
        status=problem.status if problem else 200,
        kept=kept,
        problem=problem,
        limits=limits,
        most=most_minutes(limits),
        gate_prefix=GATE,
        targets=targets_of(fleet.items),
        agents=agents_of(parts.configuration),
        environments=[(name, name) for name in sorted(parts.configuration.environments)],
        kinds=KIND_OPTIONS,
    )
