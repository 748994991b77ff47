"""One halt: made in two steps (scope and reason, then what it stops and what finishes), watched, and ended.

Every change goes through `api/safety/service.py`. A refusal keeps what was typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response

from api import words
from api.fleet import service as fleet_service
from api.parts import ApiParts, Parts
from api.problems import Problem
from api.safety import service
from api.safety.schemas import HaltBody, HaltDetail
from api.web.answers import go_to, toast
from api.web.forms import FieldRefused, Kept, claim_of, fields_of, words_in
from api.web.operations import view
from api.web.operations.scope import (
    EVERYTHING,
    FIELDS,
    KIND_OPTIONS,
    MOST_NAMED,
    SOME,
    agents_of,
    covered,
    scope_fields,
    scope_of,
    targets_of,
)
from api.web.operations.showing import show_one
from api.web.rendering import is_fragment_wanted
from api.web.routes import web_router
from api.web.session import SignedIn, SignedInOperator
from contracts.principal import Principal
from contracts.safety import MAX_HALT_REASON, HaltScope, HaltStatus

router = web_router("/halts")

_TYPED = "typed_name"
_NO_REASON = "Say why. Everybody sees it, and it stays in the audit log."


@router.get("/new")
async def new(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Ask what to stop and why. The address may name it already: `?target=…`."""
    named = {name: request.query_params.get(name, "") for name in FIELDS}
    chosen = {"covers": SOME} if any(named.values()) else {}
    return await _choose(request, parts, me, Kept(named | chosen, form="choose"))


@router.post("/preview")
async def preview(request: Request, parts: Parts, me: SignedInOperator) -> Response:
    """Show what it would stop and what would finish, and ask to confirm."""
    fields = await fields_of(request)
    try:
        scope = scope_of(fields)
        reason = _reason_in(fields)
        return await _confirm(request, parts, me, scope, reason)
    except Problem as problem:
        return await _choose(request, parts, me, Kept.refused("choose", fields, problem), problem=problem)


@router.get("/reach")
async def reach(request: Request, parts: Parts, me: SignedInOperator) -> Response:
    """Show the lists of the second step as they are now."""
    scope = scope_of(dict(request.query_params))
    return await _confirm(request, parts, me, scope, "", part="reach")


@router.post("")
async def create(request: Request, parts: Parts, me: SignedInOperator) -> Response:
    """Stop."""
    fields = await fields_of(request)
    try:
        scope, reason = scope_of(fields), _reason_in(fields)
        if fields.get("back"):
            return await _choose(request, parts, me, Kept.refused("choose", fields))
        if scope.everything and fields.get(_TYPED, "").strip() != EVERYTHING:
            raise FieldRefused(_TYPED, f"Type {EVERYTHING}, to show that you mean all of it.", "name_differs")
        body = HaltBody(scope=scope, reason=reason)
        made = await service.halt(parts, body, me, claim_of(request, me, fields))
    except Problem as problem:
        kept = Kept.refused("confirm", fields, problem)
        if isinstance(problem, FieldRefused) and problem.field == _TYPED:
            return await _confirm(
                request, parts, me, scope, reason, status=problem.status, kept=kept, problem=problem
            )
        return await _choose(request, parts, me, Kept.refused("choose", fields, problem), problem=problem)
    return go_to(request, f"/operations/halts/{made.body['id']}")


@router.get("/{halt_id}")
async def show_halt(halt_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show one halt with what it stops and what finishes."""
    detail = await service.halt_detail(parts, halt_id)
    return await show_one(request, me, "halt", part="live", halt=detail)


@router.post("/{halt_id}/end")
async def end(halt_id: str, request: Request, parts: Parts, me: SignedInOperator) -> Response:
    """Let go on what it held. Somebody who was faster is named."""
    before = await service.halt_detail(parts, halt_id)
    if before.status is not HaltStatus.ENDED:
        await service.end_halt(parts, halt_id, me)
    after = await service.halt_detail(parts, halt_id)
    conflict = _ended_by_another(after, me)
    resumed = before.reach.resumes_count if before.reach else 0
    headers = {} if conflict else toast(f"The halt ended. {_proposals(resumed)} on.")
    if not is_fragment_wanted(request) and not conflict:
        return go_to(request, f"/operations/halts/{halt_id}")
    status = HTTPStatus.CONFLICT if conflict else HTTPStatus.OK
    return await show_one(request, me, "halt", status=status, headers=headers, halt=after, conflict=conflict)


def _reason_in(fields: Mapping[str, str]) -> str:
    return words_in(fields, needed=_NO_REASON, most=MAX_HALT_REASON)


def _proposals(count: int) -> str:
    return "1 proposal goes" if count == 1 else f"{count:,} proposals go"


def _ended_by_another(halt: HaltDetail, me: Principal) -> str:
    """Who ended it, in words, when it was not the one who asks."""
    if halt.ended_by in (None, me.spelled) or halt.ended_at is None:
        return ""
    return f"{words.who(halt.ended_by or '')} ended this halt {view.ago_words(halt.ended_at)}"


async def _choose(
    request: Request, parts: ApiParts, me: Principal, kept: Kept, *, problem: Problem | None = None
) -> Response:
    fleet = await fleet_service.fleet(parts)
    return await show_one(
        request,
        me,
        "new_halt",
        status=problem.status if problem else 200,
        step="choose",
        kept=kept,
        problem=problem,
        targets=targets_of(fleet.items),
        agents=agents_of(parts.configuration),
        environments=[(name, name) for name in sorted(parts.configuration.environments)],
        kinds=KIND_OPTIONS,
    )


async def _confirm(
    request: Request,
    parts: ApiParts,
    me: Principal,
    scope: HaltScope,
    reason: str,
    *,
    part: str = "body",
    status: int = 200,
    **about: Any,
) -> Response:
    met = await service.preview(parts, scope)
    fleet = await fleet_service.fleet(parts)
    pools = covered(scope, fleet.items, parts.tenant)
    is_met = bool(met.stops_count or met.finishes_count)
    return await show_one(
        request,
        me,
        "new_halt",
        part=part,
        status=status,
        step="confirm",
        scope=scope,
        scope_values=scope_fields(scope),
        reason=reason,
        reach=met,
        pools=pools[:MOST_NAMED],
        pools_count=len(pools),
        fleet_count=len(fleet.items),
        is_agent_known=scope.agent is None or is_met or scope.agent in agents_of(parts.configuration),
        everything=EVERYTHING,
        **about,
    )
