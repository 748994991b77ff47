"""`/activity`: what happens, live. The page holds the newest events; the browser fetches what came after them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Query, Request, Response

from adapters.store import audit_reads, audit_search
from adapters.store.audit_search import Order, Wanted
from api.audit import service
from api.audit.schemas import Events
from api.parts import ApiParts, Parts
from api.web.activity.view import minutes_of
from api.web.audit.form import MOST_ACTORS, FilterForm, form_of
from api.web.audit.topics import TOPICS
from api.web.rendering import fragment, page
from api.web.routes import web_router
from api.web.session import SignedIn
from contracts.audit import MAX_NUMBER

router = web_router("/activity")

SHOWN = 100
"""Events that the page begins with."""
MORE = 200
"""Events that one fetch brings: no more stay in the page."""


@router.get("")
async def feed(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show the newest events that the address asks for."""
    form, kind = form_of(request.query_params), _kind(request)
    async with parts.database.reading() as connection:
        # Read first: what comes after it, and after no event shown, is fetched.
        newest = await audit_reads.highest(connection)
        actors = await audit_search.actors(connection, parts.tenant, MOST_ACTORS)
    found = Events(items=()) if form.errors else await _newest(parts, form, kind, after=None, limit=SHOWN)
    return await page(
        request,
        "activity/page.html",
        me=me,
        active="activity",
        status=422 if form.errors else 200,
        form=form,
        kind=kind,
        topics=tuple(TOPICS),
        minutes=minutes_of(found.items),
        about=await service.proposals_about(parts, found.items),
        cursor=found.items[0].number if found.items else newest,
        older=found.next_before,
        actors=actors,
        places=_places(parts),
    )


@router.get("/rows")
async def rows(
    request: Request,
    parts: Parts,
    me: SignedIn,
    after: Annotated[int, Query(ge=-1, le=MAX_NUMBER)],
) -> Response:
    """Return the events that came after a number, the newest first."""
    form, kind = form_of(request.query_params), _kind(request)
    found = Events(items=()) if form.errors else await _newest(parts, form, kind, after=after, limit=MORE)
    about = await service.proposals_about(parts, found.items)
    return fragment(request, "activity/minutes.html", me=me, minutes=minutes_of(found.items), about=about)


def _kind(request: Request) -> str:
    kind = request.query_params.get("kind", "")
    return kind if kind in TOPICS else ""


async def _newest(parts: ApiParts, form: FilterForm, kind: str, *, after: int | None, limit: int) -> Events:
    wanted: Wanted = replace(form.wanted, types=TOPICS[kind]) if kind else form.wanted
    return await service.events(parts, wanted, after=after, order=Order.NEWEST, limit=limit)


def _places(parts: ApiParts) -> list[str]:
    """Environments and clusters, as the configuration names them."""
    clusters = {cluster for _, _, cluster in parts.configuration.clusters}
    return [*sorted(parts.configuration.environments), *sorted(clusters)]
