"""One circuit breaker: what it holds, how it came to be so, and what a person does to it, with a reason."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response

from api import words
from api.fleet import service as fleet_service
from api.parts import ApiParts, Parts
from api.problems import Problem, not_found
from api.safety import breakers as opening_service
from api.safety import service
from api.safety.schemas import BreakerDetail
from api.web.answers import go_to, toast
from api.web.forms import Kept, claim_of, fields_of, words_in
from api.web.operations import view
from api.web.operations.breaker_words import (
    DURATIONS,
    GUARDED,
    KIND_OPTIONS,
    PROVIDER_OPTIONS,
    breaker_fields,
    breaker_of,
    opening_of,
    rule_words,
)
from api.web.operations.scope import agents_of
from api.web.operations.showing import show_one
from api.web.rendering import is_fragment_wanted
from api.web.routes import web_router
from api.web.session import SignedIn, SignedInOperator
from contracts.principal import Principal

router = web_router("/breakers")

MAX_ID = 600
"""Characters of a breaker's id that an address may name."""


@router.get("/new")
async def new(request: Request, parts: Parts, me: SignedIn, breaker: str = "") -> Response:
    """Ask which breaker to open and why. The address may name one already: `?breaker=kind:…`."""
    return await _choose(request, parts, me, Kept(breaker_fields(breaker[:MAX_ID]), form="open"))


@router.post("")
async def open_by_hand(request: Request, parts: Parts, me: SignedInOperator) -> Response:
    """Open one, whether it ever failed or not."""
    fields = await fields_of(request)
    try:
        breaker_id = breaker_of(fields)
        reason = words_in(fields, needed="Say why it opens. It stays in the audit log.")
        body = opening_of(fields, reason)
        await opening_service.open_by_hand(parts, breaker_id, body, me, claim_of(request, me, fields))
    except Problem as problem:
        return await _choose(request, parts, me, Kept.refused("open", fields, problem), problem=problem)
    return go_to(request, f"/operations/breakers/{quote(breaker_id)}")


@router.get("/{breaker_id:path}")
async def show_breaker(breaker_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show one breaker."""
    return await _show(request, parts, me, await _find(parts, breaker_id), part="live")


@router.post("/{breaker_id:path}/reset")
async def reset(breaker_id: str, request: Request, parts: Parts, me: SignedInOperator) -> Response:
    """Close it before its time. One that moved since the page was read is shown anew, and nothing is done."""
    fields = await fields_of(request)
    before = await _find(parts, breaker_id)
    moved = _moved_meanwhile(before, fields.get("seen", ""))
    if moved:
        kept = Kept.refused("reset", fields)
        return await _show(request, parts, me, before, kept=kept, status=HTTPStatus.CONFLICT, conflict=moved)
    try:
        reason = words_in(fields, needed="Say why it may close. It stays in the audit log.")
        await service.reset(parts, breaker_id, reason, me, claim_of(request, me, fields))
    except Problem as problem:
        kept = Kept.refused("reset", fields, problem)
        return await _show(request, parts, me, before, kept=kept, status=problem.status, problem=problem)
    if not is_fragment_wanted(request):
        return go_to(request, f"/operations/breakers/{quote(breaker_id)}")
    woken = f"{before.held_count:,} held" if before.held_count else "Nothing was held"
    headers = toast(f"The breaker is closed. {woken}.")
    return await _show(request, parts, me, await _find(parts, breaker_id), headers=headers)


def _moved_meanwhile(breaker: BreakerDetail, seen: str) -> str:
    """What happened to it since its state was `seen`, in words; empty when nothing did."""
    if seen == breaker.state:
        return ""
    if not breaker.moves:
        return f"It is {words.plain(breaker.state)} by now"
    last = breaker.moves[0]
    by = "" if last.actor == "sluice/sluice" else f" by {words.who(last.actor)}"
    return f"It became {words.plain(breaker.state)}{by} {view.ago_words(last.at)}"


async def _find(parts: ApiParts, breaker_id: str) -> BreakerDetail:
    found = await service.breakers(parts)
    for one in found.items:
        if one.id == breaker_id:
            return one
    raise not_found("breaker")


async def _show(
    request: Request, parts: ApiParts, me: Principal, breaker: BreakerDetail, **context: Any
) -> Response:
    limits = parts.configuration.limits.breaker
    opened_by = rule_words(breaker.rule, limits)
    return await show_one(
        request, me, "breaker", breaker=breaker, limits=limits, opened_by=opened_by, **context
    )


async def _choose(
    request: Request, parts: ApiParts, me: Principal, kept: Kept, *, problem: Problem | None = None
) -> Response:
    fleet = await fleet_service.fleet(parts)
    return await show_one(
        request,
        me,
        "new_breaker",
        status=problem.status if problem else 200,
        kept=kept,
        problem=problem,
        guarded=GUARDED,
        durations=DURATIONS,
        choices={"kind": KIND_OPTIONS, "provider": PROVIDER_OPTIONS},
        offered={"target": [pool.key for pool in fleet.items], "agent": agents_of(parts.configuration)},
    )
