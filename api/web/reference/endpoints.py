"""`/docs`: the API reference (docs/adr/0009)."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI, Request, Response

from api.web.reference.operations import Tag, tags_of
from api.web.rendering import page
from api.web.routes import web_router
from api.web.session import SignedIn

router = web_router("/docs")


@router.get("")
async def reference(request: Request, me: SignedIn) -> Response:
    """Show every operation of the API."""
    return await page(
        request,
        "reference/page.html",
        me=me,
        active="docs",
        tags=_tags(request.app),
        origin=str(request.base_url).rstrip("/"),
    )


def _tags(app: FastAPI) -> tuple[Tag, ...]:
    """Routes do not change while the application runs: read once."""
    if not hasattr(app.state, "reference_tags"):
        app.state.reference_tags = tags_of(app)
    return cast("tuple[Tag, ...]", app.state.reference_tags)
