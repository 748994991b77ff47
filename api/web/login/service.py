"""How a session begins and ends. Each beginning makes a new secret and ends the session that the browser had before."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import RedirectResponse, Response

from adapters.oidc.provider import Answer, Identity, OidcProvider
from adapters.store import logins, sessions
from adapters.store.database import database_now
from adapters.store.logins import ATTEMPT_LIFETIME, LoginAttempt
from adapters.store.sessions import SECRET_LENGTH, BrowserSession, SignInMethod, new_secret
from api.cookie import drop_cookie, set_cookie
from api.parts import ApiParts
from api.problems import Problem
from api.web.session import safe_return_to
from contracts.errors import IdentityProviderUnavailable, SignInRefused
from contracts.principal import Principal

CALLBACK = "/login/oidc/callback"
SIGNED_OUT = "/login?signed_out=1"
_BROWSER = "sluice-login"
"""Cookie that binds an attempt at the identity provider to the browser that began it."""


def own_origin(request: Request, parts: ApiParts) -> str:
    """Return the address under which this browser reaches us.

    Raises:
        Problem: 409, nobody can sign in under it.
    """
    origin = parts.web.origin_for(request.headers.get("host"))
    if origin is None:
        detail = "Nobody signs in under this address: open the one that SLUICE_WEB__PUBLIC_URL names."
        raise Problem(409, "sign_in_off", detail)
    return origin


def provider_of(parts: ApiParts) -> OidcProvider:
    """Return the identity provider.

    Raises:
        Problem: 404, there is none.
    """
    if parts.identity_provider is None:
        raise Problem(404, "oidc_not_configured", "No identity provider is configured here.")
    return parts.identity_provider


async def sign_in_by_link(request: Request, parts: ApiParts, link: str, return_to: str) -> Response:
    """Use a link up and open its session.

    Raises:
        SignInRefused: the link is unknown, used or too old.
    """
    async with parts.database.transaction() as connection:
        person = await logins.take_link(connection, link)
        if person is None:
            raise link_refused()
        secret = await _open(request, parts, connection, person, person.subject, SignInMethod.LINK)
    return _signed_in(parts, secret, return_to)


def link_refused() -> SignInRefused:
    """Return the refusal of a link; one and the same for every cause."""
    told = "This link was used already, is older than five minutes, or was never one of ours."
    return SignInRefused(told, reason_code="login_link_invalid")


async def begin_at_provider(request: Request, parts: ApiParts, return_to: str | None) -> Response:
    """Send the browser to the identity provider, and remember what we asked.

    Raises:
        IdentityProviderUnavailable: its endpoints cannot be read.
    """
    provider, redirect_uri = provider_of(parts), own_origin(request, parts) + CALLBACK
    state, nonce, verifier = new_secret(), new_secret(), new_secret()
    browser = _browser_of(request, parts) or new_secret()
    there = await provider.authorization_url(
        redirect_uri=redirect_uri, state=state, nonce=nonce, code_verifier=verifier
    )
    attempt = LoginAttempt(code_verifier=verifier, nonce=nonce, return_to=safe_return_to(return_to))
    async with parts.database.transaction() as connection:
        await logins.begin_attempt(connection, attempt, state=state, browser=browser)
    response = RedirectResponse(there, 303)
    response.set_cookie(
        parts.web.cookie(_BROWSER),
        browser,
        max_age=int(ATTEMPT_LIFETIME.total_seconds()),
        path="/",
        secure=parts.web.is_secure,
        httponly=True,
        samesite="lax",
    )
    return response


async def finish_at_provider(
    request: Request, parts: ApiParts, state: str | None, answer: Answer
) -> Response:
    """Open the session of whoever came back from the identity provider.

    Raises:
        SignInRefused: this browser did not ask, it took too long, the provider refused, or no role is given.
        IdentityProviderUnavailable: the provider did not answer.
    """
    provider, redirect_uri = provider_of(parts), own_origin(request, parts) + CALLBACK
    browser, attempt = _browser_of(request, parts), None
    if state and browser:
        async with parts.database.transaction() as connection:
            attempt = await logins.take_attempt(connection, state=state, browser=browser)
    if attempt is None:
        told = "This browser did not begin this sign-in, or it took longer than ten minutes."
        raise SignInRefused(told, reason_code="oidc_attempt_unknown")
    found = await provider.identify(
        answer,
        redirect_uri=redirect_uri,
        code_verifier=attempt.code_verifier,
        nonce=attempt.nonce,
        clock=partial(_now, parts),
    )
    person = _with_a_role(found)
    async with parts.database.transaction() as connection:
        secret = await _open(request, parts, connection, person, found.display_name, SignInMethod.OIDC)
    return _signed_in(parts, secret, attempt.return_to)


async def _now(parts: ApiParts) -> datetime:
    """The database's clock: this process's own may be wrong."""
    async with parts.database.reading() as connection:
        return await database_now(connection)


def _with_a_role(found: Identity) -> Principal:
    if not found.principal.roles:
        told = f"You are signed in at your identity provider as {found.principal.subject}, but you hold no role here."
        raise SignInRefused(told, reason_code="no_role")
    return found.principal


async def sign_out(request: Request, parts: ApiParts, session: BrowserSession | None) -> Response:
    """End the session, then lead to the identity provider's own end where it has one and htmx can go there."""
    secret = request.cookies.get(parts.web.cookie_name, "")
    async with parts.database.transaction() as connection:
        await sessions.close(connection, secret, tenant=parts.tenant, reason="signed_out")
    there = await _end_at_provider(request, parts, session)
    if "hx-request" in request.headers:
        response = Response(status_code=204, headers={"HX-Redirect": there or SIGNED_OUT})
    else:
        # The policy `form-action 'self'` blocks a form that redirects to another site, so that one ends here.
        response = RedirectResponse(SIGNED_OUT, 303)
    drop_cookie(response, parts)
    return response


async def _end_at_provider(request: Request, parts: ApiParts, session: BrowserSession | None) -> str | None:
    is_theirs = session is not None and session.method is SignInMethod.OIDC
    if parts.identity_provider is None or not is_theirs:
        return None
    try:
        return await parts.identity_provider.end_session_url(own_origin(request, parts) + "/login")
    except IdentityProviderUnavailable:
        return None


async def _open(
    request: Request,
    parts: ApiParts,
    connection: AsyncConnection,
    person: Principal,
    display_name: str,
    method: SignInMethod,
) -> str:
    before = request.cookies.get(parts.web.cookie_name)
    if before:
        await sessions.close(connection, before, tenant=parts.tenant, reason="replaced")
    return await sessions.open_session(
        connection,
        person,
        display_name=display_name,
        method=method,
        lifetime=parts.web.session_lifetime,
        tenant=parts.tenant,
    )


def _signed_in(parts: ApiParts, secret: str, return_to: str) -> Response:
    response = RedirectResponse(safe_return_to(return_to), 303)
    set_cookie(response, parts, secret)
    return response


def _browser_of(request: Request, parts: ApiParts) -> str | None:
    value = request.cookies.get(parts.web.cookie(_BROWSER), "")
    return value if len(value) == SECRET_LENGTH else None
