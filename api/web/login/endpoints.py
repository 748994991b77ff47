"""`/login`, `/logout` and the way over the identity provider: open to all, changed from our own pages only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from adapters.oidc.provider import Answer
from adapters.store import logins
from api.cookie import MaybeSession, refuse_cross_site
from api.parts import ApiParts, Parts
from api.web.login import service
from api.web.rendering import page
from api.web.routes import web_router
from api.web.session import Everybody, safe_return_to
from contracts.errors import IdentityProviderUnavailable, SignInRefused

router: APIRouter = web_router()

_LONGEST = 2_000
_Text = Annotated[str | None, Query(max_length=_LONGEST)]
_NO_REFERRER = {"Referrer-Policy": "no-referrer"}
"""The address of these pages may hold a link's secret or a code: it goes nowhere, not even to ourselves."""
_STATUS = {"no_role": 403, "login_link_invalid": 410}


@router.get("/login")
async def sign_in(
    request: Request,
    parts: Parts,
    session: MaybeSession,
    _: Everybody,
    link: _Text = None,
    return_to: _Text = None,
    signed_out: _Text = None,
) -> Response:
    """Show how to sign in; with a link, as whom. Nothing happens before a button is pressed."""
    wanted = safe_return_to(return_to)
    if link is not None:
        return await _confirm(request, parts, link, wanted)
    if session is not None:
        return RedirectResponse(wanted, 303)
    return await page(
        request,
        "login/sign_in.html",
        me=None,
        headers=_NO_REFERRER,
        is_on=parts.web.origin_for(request.headers.get("host")) is not None,
        provider=parts.identity_provider.label if parts.identity_provider else None,
        return_to=wanted,
        signed_out=signed_out is not None,
    )


async def _confirm(request: Request, parts: ApiParts, link: str, return_to: str) -> Response:
    service.own_origin(request, parts)
    async with parts.database.reading() as connection:
        person = await logins.whose_link(connection, link)
    if person is None:
        return await _refused(request, service.link_refused())
    return await page(
        request,
        "login/confirm.html",
        me=None,
        headers=_NO_REFERRER,
        person=person,
        link=link,
        return_to=return_to,
    )


@router.post("/login")
async def use_link(
    request: Request,
    parts: Parts,
    _: Everybody,
    link: Annotated[str, Form(max_length=_LONGEST)] = "",
    return_to: Annotated[str, Form(max_length=_LONGEST)] = "/",
) -> Response:
    """Use a link up and open its session."""
    refuse_cross_site(request, parts)
    try:
        return await service.sign_in_by_link(request, parts, link, return_to)
    except SignInRefused as refusal:
        return await _refused(request, refusal)


@router.get("/login/oidc")
async def to_provider(request: Request, parts: Parts, _: Everybody, return_to: _Text = None) -> Response:
    """Go to the identity provider. By GET: `form-action 'self'` would block a form that redirects there."""
    try:
        return await service.begin_at_provider(request, parts, return_to)
    except IdentityProviderUnavailable as failure:
        return await _unavailable(request, failure)


@router.get(service.CALLBACK)
async def from_provider(
    request: Request,
    parts: Parts,
    _: Everybody,
    state: _Text = None,
    code: _Text = None,
    error: _Text = None,
    iss: _Text = None,
) -> Response:
    """Come back from the identity provider."""
    try:
        return await service.finish_at_provider(request, parts, state, Answer(code, error, iss))
    except SignInRefused as refusal:
        return await _refused(request, refusal)
    except IdentityProviderUnavailable as failure:
        return await _unavailable(request, failure)


@router.post("/logout")
async def sign_out(request: Request, parts: Parts, session: MaybeSession, _: Everybody) -> Response:
    """End the session, here and, where htmx asks, at the identity provider."""
    refuse_cross_site(request, parts)
    return await service.sign_out(request, parts, session)


async def _refused(request: Request, refusal: SignInRefused) -> Response:
    return await _tell(request, _STATUS.get(refusal.code, 400), refusal.code, str(refusal))


async def _unavailable(request: Request, failure: IdentityProviderUnavailable) -> Response:
    told = "The identity provider does not answer as it should. Nobody was signed in; try again in a moment."
    return await _tell(request, 503, failure.reason_code, told)


async def _tell(request: Request, status: int, code: str, detail: str) -> Response:
    return await page(
        request, "login/refused.html", me=None, status=status, headers=_NO_REFERRER, code=code, detail=detail
    )
