"""Every room of the web pages. A new one adds its router here; a route without a gate keeps the API from starting."""

from __future__ import annotations

from fastapi import APIRouter

from api.web import static_files
from api.web.activity.endpoints import router as activity
from api.web.audit.endpoints import router as audit
from api.web.chat.endpoints import router as chat
from api.web.gallery.endpoints import router as gallery
from api.web.inbox.endpoints import router as inbox
from api.web.login.endpoints import router as login
from api.web.operations.endpoints import router as operations
from api.web.people.endpoints import router as people
from api.web.policy.endpoints import router as policy
from api.web.proposal.endpoints import router as proposal
from api.web.proposal.runbooks import router as runbooks
from api.web.reference.endpoints import router as reference
from api.web.shell.endpoints import router as shell

ROOMS: tuple[APIRouter, ...] = (
    static_files.router,
    login,
    inbox,
    proposal,
    runbooks,
    chat,
    activity,
    operations,
    people,
    policy,
    audit,
    reference,
    shell,
    gallery,
)
"""In the order in which they are asked for an address."""
