"""The session cookie on the way in and out, and the one rule that keeps other sites from using it.

Cookie authentication itself refuses unsafe methods from elsewhere, so no route can forget to. Bearer tokens are not
sent by browsers on their own and need no such rule.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from opentelemetry import trace
from starlette.responses import Response

from adapters.store import sessions
from adapters.store.sessions import BrowserSession
from api.parts import ApiParts, Parts
from api.problems import Problem

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""


async def session_of(request: Request, parts: Parts) -> BrowserSession | None:
    """Return the session of the request's cookie; None without one.

    It stays in `request.state.session`, and its principal in `request.state.me`, for the page that is rendered.

    Raises:
        Problem: 403, a cookie came with an unsafe method from another site.
    """
    request.state.session = request.state.me = None
    secret = request.cookies.get(parts.web.cookie_name)
    if not secret or not parts.web.is_on:
        return None
    refuse_cross_site(request, parts)
    async with parts.database.reading() as connection:
        found = await sessions.find(connection, secret, idle_timeout=parts.web.idle_timeout)
    if found is None:
        return None
    if found.is_due and _is_by_a_person(request):
        async with parts.database.transaction() as connection:
            await sessions.mark_seen(connection, found.id)
    principal = found.principal
    trace.get_current_span().set_attribute("enduser.id", principal.spelled)
    request.state.session, request.state.me = found, principal
    return found


MaybeSession = Annotated[BrowserSession | None, Depends(session_of)]
"""The session of this request, if there is one."""


def refuse_cross_site(request: Request, parts: ApiParts) -> None:
    """Refuse an unsafe method that does not come from our own pages.

    Browsers send `Sec-Fetch-Site` to https and loopback (Fetch Metadata Request Headers); scripts cannot set it.
    Where it is missing, `Origin` has to be ours.

    Raises:
        Problem: 403.
    """
    if request.method in SAFE:
        return
    site, origin = request.headers.getlist("sec-fetch-site"), request.headers.getlist("origin")
    own = parts.web.origin_for(request.headers.get("host"))
    if own is not None and (site == ["same-origin"] or (not site and origin == [own])):
        return
    raise Problem(403, "cross_site_refused", "This did not come from our own page, so nothing was changed.")


def _is_by_a_person(request: Request) -> bool:
    """Tell whether a request counts against idleness. Pages that refresh themselves and streams do not."""
    is_automatic = "hx-request" in request.headers or request.url.path.startswith("/v1/")
    return request.method not in SAFE or not is_automatic


def set_cookie(response: Response, parts: ApiParts, secret: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        parts.web.cookie_name,
        secret,
        max_age=int(parts.web.session_lifetime.total_seconds()),
        path="/",
        secure=parts.web.is_secure,
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response, parts: ApiParts) -> None:
    """Take the session cookie away. The session itself has to be closed too."""
    response.delete_cookie(
        parts.web.cookie_name, path="/", secure=parts.web.is_secure, httponly=True, samesite="lax"
    )
