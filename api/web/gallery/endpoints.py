"""`/design`: the components, rendered by the macros that the pages use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from api.web.rendering import page
from api.web.routes import web_router
from api.web.session import SignedIn

router: APIRouter = web_router()


@router.get("/design")
async def gallery(request: Request, me: SignedIn) -> Response:
    """Show every component in every state."""
    return await page(request, "gallery/gallery.html", me=me, **sample_times(datetime.now(UTC)))


def sample_times(now: datetime) -> dict[str, Any]:
    """Return the moments that the gallery's countdowns and charts show."""
    return {
        "earlier": now - timedelta(minutes=3),
        "at_once": now + timedelta(seconds=45),
        "soon": now + timedelta(minutes=9),
        "later": now + timedelta(hours=3, minutes=20),
        "days": [now - timedelta(days=ago) for ago in range(6, -1, -1)],
    }
