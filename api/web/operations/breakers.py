"""One circuit breaker: what it holds, how it came to be so, and its reset, which takes a reason."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Request, Response

from api import words
from api.parts import ApiParts, Parts
from api.problems import Problem, not_found
from api.safety import service
from api.safety.schemas import BreakerDetail
from api.web.answers import go_to, toast
from api.web.forms import Kept, claim_of, fields_of, words_in
from api.web.operations import view
from api.web.operations.showing import show_one
from api.web.rendering import is_fragment_wanted
from api.web.routes import web_router
from api.web.session import SignedIn, SignedInOperator
from contracts.principal import Principal

router = web_router("/breakers")


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
        return go_to(request, f"/operations/breakers/{breaker_id}")
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
    by = "" if last.actor == "sluice/sluice" else f" by {view.who(last.actor)}"
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
    return await show_one(request, me, "breaker", breaker=breaker, limits=limits, **context)
