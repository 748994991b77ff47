"""`/runbooks/{name}`: what a person does when something needs one, as the repository's docs/runbooks say it.

A runbook is read once, in a hurry, and then typed from: steps and commands stand out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import Request, Response

from api.problems import not_found
from api.web.proposal.written import blocks
from api.web.rendering import page
from api.web.routes import web_router
from api.web.session import SignedIn

RUNBOOKS = Path(__file__).parents[3] / "docs" / "runbooks"

router = web_router("/runbooks")


@router.get("/{name}")
async def runbook(name: str, request: Request, me: SignedIn) -> Response:
    """Show one runbook."""
    written = _written().get(name)
    if written is None:
        raise not_found("runbook")
    title, _, text = written.partition("\n")
    return await page(
        request, "proposal/runbook.html", me=me, title=title.lstrip("# "), blocks=blocks(text), name=name
    )


@cache
def _written() -> dict[str, str]:
    """Name → text of every runbook. Names come from the directory, never from a request."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(RUNBOOKS.glob("*.md"))}
