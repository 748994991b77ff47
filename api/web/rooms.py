"""Every room of the web pages. A new one adds its router here; a route without a gate keeps the API from starting."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from api.web import static_files
from api.web.login.endpoints import router as login
from api.web.proposal.endpoints import router as proposal
from api.web.gallery.endpoints import router as gallery
from api.web.routes import show_failures
from api.web.shell.endpoints import router as shell

ROOMS: tuple[APIRouter, ...] = (
    static_files.router,
    login,
    proposal,
    shell,
    gallery,
)


def install(app: FastAPI) -> None:
    """Add every room, and pages for addresses that none has."""
    for room in ROOMS:
        app.include_router(room)
    show_failures(app)
