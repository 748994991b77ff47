"""`POST /v1/login-links`: a one-time link by which the holder of a token signs in at a browser, as themselves."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import BaseModel

from adapters.store import logins
from api.authentication import Credentials, Reader, hold_token
from api.parts import Parts
from api.problems import Problem
from contracts.principal import PrincipalKind

router = APIRouter(prefix="/v1", tags=["sign-in"])


class LoginLink(BaseModel):
    """Where to sign in, once, and until when. Whoever has the address can: hand it to nobody."""

    url: str
    expires_at: datetime


@router.post("/login-links", status_code=201)
async def issue(request: Request, parts: Parts, person: Reader, credentials: Credentials) -> LoginLink:
    """Make a link for oneself. Repeating the call makes another one; each opens one session, within five minutes."""
    if person.kind is not PrincipalKind.HUMAN:
        raise Problem(403, "humans_only", "Pages are for people: an agent or a service never signs in.")
    origin = parts.web.origin_for(request.headers.get("host"))
    if origin is None:
        detail = (
            "Nobody signs in here: SLUICE_WEB__PUBLIC_URL is not set, and this address is not on loopback."
        )
        raise Problem(409, "sign_in_off", detail)
    async with parts.database.transaction() as connection:
        # Whoever revokes the token takes the link back with it: it must be there by then.
        await hold_token(connection, credentials)
        link = await logins.issue_link(connection, person, tenant=parts.tenant)
    return LoginLink(url=f"{origin}/login?{urlencode({'link': link.secret})}", expires_at=link.expires_at)
