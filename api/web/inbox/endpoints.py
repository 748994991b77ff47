"""`/`: the inbox; `/inbox/list`: its list as it changes; `/together`: one decision on identical low-risk changes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from pydantic import BeforeValidator

from adapters.store.inbox import Tab
from api.parts import ApiParts, Parts
from api.proposals.filters import Filters
from api.web.inbox import service, together
from api.web.inbox.service import Wanted
from api.web.rendering import fragment, page
from api.web.routes import web_router
from api.web.session import SignedIn, refuse_other_reader
from contracts.principal import Principal

router = web_router()

_Id = Annotated[str, Query(max_length=60)]


def _wanted(
    me: SignedIn,
    filters: Filters,
    tab: Annotated[Tab | None, BeforeValidator(lambda value: value or None), Query()] = None,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    shown: Annotated[list[_Id] | None, Query(max_length=service.PAGE)] = None,
) -> Wanted:
    """Without a tab: what waits for the reader, or for anybody when they search or never decide."""
    everybodys = bool(filters.text) or not service.may_ever_decide(me)
    opened = tab or (Tab.ALL if everybodys else Tab.MINE)
    return Wanted(opened, filters, cursor or None, tuple(shown or ()))


_WantedView = Annotated[Wanted, Depends(_wanted)]


@router.get("/")
async def show(request: Request, parts: Parts, me: SignedIn, wanted: _WantedView) -> Response:
    """Show the inbox."""
    shown = await service.show(parts, me, wanted, with_options=True)
    return await page(request, "inbox/page.html", me=me, active="inbox", **_context(shown))


@router.get("/inbox/list")
async def refresh(request: Request, parts: Parts, me: SignedIn, wanted: _WantedView) -> Response:
    """Show the list as it is now; lines on screen keep their place."""
    shown = await service.show(parts, me, wanted)
    # A filter that was changed goes into the address bar, so that the view can be shared and comes back.
    headers = {} if wanted.shown else {"HX-Replace-Url": wanted.href()}
    return fragment(request, "inbox/list.html", me=me, headers=headers, **_context(shown))


@router.get("/together")
async def show_together(
    request: Request, parts: Parts, me: SignedIn, ids: Annotated[list[_Id], Query(alias="id")]
) -> Response:
    """Show identical low-risk changes, to be decided together."""
    return await _together(request, parts, me, await together.read(parts, me, ids))


@router.post("/together")
async def decide_together(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Decide on each of them, and tell what became of each."""
    fields = together.fields_of((await request.form()).multi_items())
    refuse_other_reader(me, fields.reader)
    if fields.is_incomplete:
        asked = await together.read(parts, me, [item.proposal_id for item in fields.items])
        return await _together(request, parts, me, asked, fields=fields, status=422)
    results = await together.decide(parts, me, fields)
    return await page(request, "inbox/results.html", me=me, active="inbox", results=results, fields=fields)


async def _together(
    request: Request,
    parts: ApiParts,
    me: Principal,
    asked: together.Together,
    *,
    fields: together.Fields | None = None,
    status: int = 200,
) -> Response:
    return await page(
        request,
        "inbox/together.html",
        me=me,
        active="inbox",
        status=status,
        asked=asked,
        fields=fields,
        item_of=together.item_of,
        reason_options=together.REASON_OPTIONS,
    )


def _context(shown: service.Shown) -> dict[str, Any]:
    return {"shown": shown, "wanted": shown.wanted, "after": shown.after}
