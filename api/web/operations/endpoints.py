"""`/operations`: the overview, and a page each for halts, breakers, budgets and the fleet.

The same address answers a browser with the page and htmx with its live part. One halt and one breaker, and what is
done to them, are in `halts.py` and `breakers.py`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from api.fleet import service as fleet_service
from api.parts import Parts
from api.safety import break_glass as grant_service
from api.safety import budgets as budget_service
from api.safety import service
from api.safety import windows as window_service
from api.web.operations import budget_words, view
from api.web.operations.break_glass import router as break_glass_pages
from api.web.operations.breakers import router as breaker_pages
from api.web.operations.halts import router as halt_pages
from api.web.operations.showing import show
from api.web.operations.view import FleetFilter
from api.web.operations.windows import WINDOW_WORDS
from api.web.routes import web_router
from api.web.session import SignedIn

router = web_router("/operations")


@router.get("")
async def overview(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show what wants attention."""
    shown = view.overview(
        await service.open_halts(parts),
        await grant_service.grants(parts, ()),
        await service.breakers(parts),
        await budget_service.budgets(parts),
        await fleet_service.fleet(parts),
    )
    return await show(request, me, "overview", overview=shown)


@router.get("/halts")
async def halts(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show the halts that stand, and those that ended."""
    standing, ended = await service.open_halts(parts), await service.ended_halts(parts)
    return await show(request, me, "halts", standing=standing.items, ended=ended.items)


@router.get("/windows")
async def windows(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show the declared change windows: what lasts now, when that changes, what waits."""
    found = await window_service.windows(parts)
    return await show(
        request,
        me,
        "windows",
        windows=found.items,
        openings=found.openings,
        at=found.at,
        window_words=WINDOW_WORDS,
    )


@router.get("/breakers")
async def breakers(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show every breaker that ever counted a failure."""
    found = await service.breakers(parts)
    limits = parts.configuration.limits.breaker
    return await show(request, me, "breakers", breakers=view.by_urgency(found.items), limits=limits)


@router.get("/budgets")
async def budgets(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show every budget in its present window, and what models cost."""
    found = await budget_service.budgets(parts)
    pictures = [view.budget_picture(one) for one in found.items]
    overall = budget_words.bias(found.bias)
    return await show(request, me, "budgets", budgets=pictures, models=found.models, overall=overall)


@router.get("/fleet")
async def fleet(
    request: Request,
    parts: Parts,
    me: SignedIn,
    environment: Annotated[str, Query(max_length=80)] = "",
    only: Annotated[str, Query(pattern="^(pending|bounds|unread)?$")] = "",
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show every registered pool as it was last seen."""
    found, wanted = await fleet_service.fleet(parts), FleetFilter(environment, only, q)
    ordered = view.fleet_order(found.items)
    counts = {
        name: sum(FleetFilter(show=name).keeps(pool) for pool in ordered)
        for name in ("", "pending", "bounds", "unread")
    }
    return await show(
        request,
        me,
        "fleet",
        fleet=found,
        pools=[pool for pool in ordered if wanted.keeps(pool)],
        counts=counts,
        wanted=wanted,
        environments=[(name, name) for name in sorted({pool.environment for pool in ordered})],
        query=request.url.query,
    )


router.include_router(halt_pages)
router.include_router(break_glass_pages)
router.include_router(breaker_pages)
