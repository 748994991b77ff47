"""Who is calling, and whether they may: bearer tokens (RFC 6750), roles, and the check that no route forgot to ask.

Roles do not include one another. Every route takes one of `Reader`, `Requester`, `Operator` or `Reviewer`, or a gate
of the pages (api/web/session.py); `assert_every_route_is_guarded` refuses to build an application in which one does
not and is not public. Whatever changes something under `/v1/` takes a token only, never a cookie.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from opentelemetry import trace
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tokens
from api.cookie import session_of
from api.parts import Parts
from api.problems import Problem
from contracts.principal import Principal, Role

PUBLIC = frozenset({"/healthz", "/readyz", "/openapi.json", "/assets/{name}"})
"""Routes that answer anybody. They hold nothing about proposals, people or targets."""

_MAX_TOKEN = 512
_bearer = HTTPBearer(auto_error=False, description="A token issued by `sluice tokens issue`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


async def authenticate(request: Request, parts: Parts, credentials: Credentials) -> Principal:
    """Return who holds the bearer token.

    Raises:
        Problem: 401, with one and the same answer for a missing, unknown, expired and revoked token.
    """
    if credentials is None or not 0 < len(credentials.credentials) <= _MAX_TOKEN:
        raise _unauthenticated()
    async with parts.database.single() as connection:
        principal = await tokens.authenticate(connection, credentials.credentials)
    if principal is None:
        raise _unauthenticated()
    span = trace.get_current_span()
    span.set_attribute("enduser.id", principal.spelled)
    return principal


async def hold_token(connection: AsyncConnection, credentials: Credentials) -> None:
    """See to it that nobody revokes the caller's token before the transaction ends.

    Raises:
        Problem: 401, somebody has since it was looked at.
    """
    held = credentials and await tokens.authenticate(connection, credentials.credentials, holding=True)
    if held is None:
        raise _unauthenticated()


def _unauthenticated() -> Problem:
    return Problem(401, "unauthenticated", "Send a valid token: `Authorization: Bearer …`.")


def require_role(principal: Principal, roles: frozenset[Role]) -> Principal:
    """Return the principal if it holds at least one of the roles.

    Raises:
        Problem: 403.
    """
    if roles.isdisjoint(principal.roles):
        wanted = sorted(role.value for role in roles)
        *others, last = wanted
        named = f"{', '.join(others)} or {last}" if others else last
        raise Problem(403, "role_required", f"This needs the role {named}.", roles=wanted)
    return principal


class Gate:
    """Base of the dependencies that decide who gets to a route: what the check of all routes looks for."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)


class RoleGate(Gate):
    """Lets through whoever's token speaks for a principal with at least one of the roles."""

    async def __call__(self, principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
        """Return the principal.

        Raises:
            Problem: 403.
        """
        return require_role(principal, self.roles)


class TokenOrSessionGate(Gate):
    """Lets through a token or a signed-in browser: for what pages read from `/v1/` by themselves, such as a stream."""

    async def __call__(self, request: Request, parts: Parts, credentials: Credentials) -> Principal:
        """Return the principal. A request that carries a token is judged by it alone.

        Raises:
            Problem: 401, 403.
        """
        if "authorization" in request.headers:
            return require_role(await authenticate(request, parts, credentials), self.roles)
        session = await session_of(request, parts)
        if session is None:
            raise _unauthenticated()
        return require_role(session.principal, self.roles)


Reader = Annotated[Principal, Depends(RoleGate(*Role))]
"""Anybody with a role may read."""
ReaderByTokenOrSession = Annotated[Principal, Depends(TokenOrSessionGate(*Role))]
"""The same, also by cookie. Only for GET: a cookie changes nothing under `/v1/`."""
Requester = Annotated[Principal, Depends(RoleGate(Role.REQUESTER))]
Operator = Annotated[Principal, Depends(RoleGate(Role.OPERATOR))]
SecondPerson = Annotated[Principal, Depends(RoleGate(Role.OPERATOR, Role.APPROVER))]
"""Whether they may be the second, or the reviewer, depends on the grant: `contracts/break_glass.py` tells."""
OPERATOR_OR_ADMIN = frozenset({Role.OPERATOR, Role.ADMIN})
OperatorOrAdmin = Annotated[Principal, Depends(RoleGate(*OPERATOR_OR_ADMIN))]
ReviewsWords = Annotated[Principal, Depends(RoleGate(Role.APPROVER, Role.OPERATOR, Role.ADMIN))]
"""May read what people wrote about one another's proposals, all at once."""
RequesterOrOperator = Annotated[Principal, Depends(RoleGate(Role.REQUESTER, Role.OPERATOR))]
Editor = Annotated[Principal, Depends(RoleGate(Role.REQUESTER, Role.APPROVER, Role.OPERATOR))]
"""Whether they may edit this proposal depends on it: `contracts/approval.py` tells."""
Reviewer = Annotated[Principal, Depends(RoleGate(*Role))]
"""Whether a reviewer is eligible depends on the proposal: `contracts/eligibility.py` tells, with its own codes."""


def assert_every_route_is_guarded(app: FastAPI) -> None:
    """Refuse an application with a route that neither asks for a role nor is public.

    Raises:
        RuntimeError: names the routes.
    """
    open_routes = [path for path, dependant in _routes(app) if path not in PUBLIC and not _asks(dependant)]
    if open_routes:
        raise RuntimeError(f"routes without a role: {', '.join(sorted(open_routes))}")


def _routes(app: FastAPI) -> Iterable[tuple[str, Dependant | None]]:
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        yield context.path or "", route.dependant if isinstance(route, APIRoute) else None


def _asks(dependant: Dependant | None) -> bool:
    if dependant is None:
        return False
    return isinstance(dependant.call, Gate) or any(_asks(inner) for inner in dependant.dependencies)
