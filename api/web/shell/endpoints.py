"""`/shell/…`: the parts of the layout that fetch themselves anew."""

from __future__ import annotations

from fastapi import Request, Response

from api.parts import Parts
from api.web.rendering import fragment, shell_of
from api.web.routes import web_router
from api.web.session import SignedIn

router = web_router("/shell")


@router.get("/waiting")
async def waiting(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Return how many proposals wait for the reader."""
    return fragment(request, "shell/waiting.html", me=me, **await shell_of(parts, me))


@router.get("/halts")
async def halts(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Return the banner of halts that have not ended."""
    return fragment(request, "shell/halts.html", me=me, **await shell_of(parts, me))


@router.get("/grants")
async def grants(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Return the banner of break-glass: what waits, counts, or is to be reviewed."""
    return fragment(request, "shell/grants.html", me=me, **await shell_of(parts, me))
