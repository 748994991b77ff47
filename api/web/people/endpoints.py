"""`/people`: who is away and who stands in, made and ended; and how people decided in a span of time.

Rules, and who sees whom, are those of `api/approvers/`. The two lists are live parts with addresses of their own.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import AfterValidator

from adapters.store import audit_search
from api import words
from api.approvers import figures, service
from api.parts import ApiParts, Parts
from api.problems import Problem
from api.web.answers import go_to, toast
from api.web.forms import Kept, claim_of, fields_of
from api.web.people.form import FORM, body_of
from api.web.rendering import fragment, is_fragment_wanted, page
from api.web.routes import web_router
from api.web.session import SignedIn
from contracts.principal import Principal, Role

router = web_router("/people")

RANGES = {7: "7 days", 30: "30 days", 90: "90 days", 365: "1 year"}
"""Days that the figures may go back, and their words."""


def _offered(days: int) -> int:
    if days not in RANGES:
        raise ValueError(f"must be one of {', '.join(map(str, RANGES))}")
    return days


Days = Annotated[int, Query(description="How far the figures go back."), AfterValidator(_offered)]
USUAL = 30
MOST_NAMES = 100
"""People that the form offers."""


@router.get("")
async def people(request: Request, parts: Parts, me: SignedIn, days: Days = USUAL) -> Response:
    """Show who stands in for whom, and how people decided."""
    return await page(request, "people/page.html", me=me, active="people", **await _all(parts, me, days))


@router.get("/delegations")
async def delegations(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show the delegations as they are now."""
    return fragment(request, "people/delegations.html", me=me, **await _delegations(parts, me))


@router.get("/figures")
async def decided(request: Request, parts: Parts, me: SignedIn, days: Days = USUAL) -> Response:
    """Show the figures as they are now."""
    return fragment(request, "people/figures.html", me=me, **await _figures(parts, me, days))


@router.post("/delegations")
async def delegate(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Let somebody decide in one's place, or, as an admin, in another's."""
    fields = await fields_of(request)
    try:
        made = await service.delegate(parts, body_of(fields), me, claim_of(request, me, fields))
    except Problem as problem:
        kept = Kept.refused(FORM, fields, problem)
        return await _again(request, parts, me, kept, status=problem.status, problem=problem)
    if not is_fragment_wanted(request):
        return go_to(request, "/people")
    told = f"{words.who(made.body['delegate'])} decides for {words.who(made.body['delegator'])}."
    return await _again(request, parts, me, Kept(), headers=toast(told))


@router.post("/delegations/{delegation_id}/end")
async def end(delegation_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """End a delegation at once. Ending twice changes nothing."""
    ended = await service.end(parts, delegation_id, me)
    if not is_fragment_wanted(request):
        return go_to(request, "/people")
    headers = toast(f"{words.who(ended.delegate)} no longer decides for {words.who(ended.delegator)}.")
    shown = await _delegations(parts, me)
    return fragment(request, "people/delegations.html", me=me, headers=headers, **shown)


async def _delegations(parts: ApiParts, me: Principal) -> dict[str, Any]:
    return {"delegations": (await service.listed(parts, me)).items, "who": words.who}


async def _figures(parts: ApiParts, me: Principal, days: int) -> dict[str, Any]:
    since = datetime.now(UTC) - timedelta(days=days)
    return {
        "figures": await figures.approvers(parts, me, since, None),
        "days": days,
        "ranges": RANGES,
        "who": words.who,
        "own": me.key,
    }


async def _all(
    parts: ApiParts, me: Principal, days: int, kept: Kept | None = None, problem: Problem | None = None
) -> dict[str, Any]:
    lists = await _delegations(parts, me) | await _figures(parts, me, days)
    return lists | await _form(parts, kept or Kept(), problem)


async def _form(parts: ApiParts, kept: Kept, problem: Problem | None) -> dict[str, Any]:
    """Return what the form is made of: names it offers, and a fresh key."""
    async with parts.database.reading() as connection:
        names = await audit_search.actors(connection, parts.tenant, MOST_NAMES)
    teams = {one.team for one in parts.configuration.targets if one.team}
    return {
        "names": [name for name in names if not name.startswith("sluice/")],
        "environments": [(name, name) for name in sorted(parts.configuration.environments)],
        "teams": [(name, name) for name in sorted(teams)],
        "admin": Role.ADMIN,
        "key": secrets.token_urlsafe(16),
        "kept": kept,
        "problem": problem,
    }


async def _again(
    request: Request,
    parts: ApiParts,
    me: Principal,
    kept: Kept,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    problem: Problem | None = None,
) -> Response:
    given = await _all(parts, me, USUAL, kept, problem)
    if is_fragment_wanted(request):
        return fragment(request, "people/body.html", me=me, status=status, headers=headers, **given)
    return await page(request, "people/page.html", me=me, active="people", status=status, **given)
