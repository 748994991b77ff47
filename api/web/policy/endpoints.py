"""`/policy`: which rules are in force, and how others would have decided. Reading only: rules change in files."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import AfterValidator

from api.authentication import OPERATOR_OR_ADMIN
from api.operations.configuration import ConfigurationView, configuration_view
from api.parts import ApiParts, Parts
from api.policies import service as policies
from api.problems import Problem
from api.shadow import service as shadows
from api.web.policy import view
from api.web.rendering import fragment, is_fragment_wanted, page
from api.web.routes import web_router
from api.web.session import SignedIn
from contracts.errors import PolicyUnavailable
from contracts.ports import PoliciesInForce
from contracts.principal import Principal

router = web_router("/policy")

RANGES = {24: "1 day", 168: "7 days", 720: "30 days"}
"""Hours that the comparison may go back, and their words."""


def _offered(hours: int) -> int:
    if hours not in RANGES:
        raise ValueError(f"must be one of {', '.join(map(str, RANGES))}")
    return hours


Hours = Annotated[int, Query(description="How far the comparison goes back."), AfterValidator(_offered)]
DISAGREEMENTS = 50
"""Of those the newest are listed."""


@router.get("")
async def rules(
    request: Request,
    parts: Parts,
    me: SignedIn,
    hours: Hours = 168,
    revision: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
) -> Response:
    """Show the policies in force, the candidate in shadow, and the configuration."""
    found = await shadows.compare(
        parts, within=timedelta(hours=hours), revision=revision, limit=DISAGREEMENTS
    )
    given: dict[str, Any] = {
        "policies": await _policies(parts),
        "rows": view.policy_rows,
        "shadow": found,
        "differing": view.differing(found.pairs),
        "short": view.short,
        "hours": hours,
        "ranges": RANGES,
        "may_read_configuration": bool(OPERATOR_OR_ADMIN & set(me.roles)),
        "configuration": _configuration(parts, me),
    }
    if is_fragment_wanted(request):
        return fragment(request, "policy/live.html", me=me, **given)
    return await page(request, "policy/page.html", me=me, active="rules", **given)


async def _policies(parts: ApiParts) -> PoliciesInForce | None:
    """The rest of the page is worth reading while OPA is down."""
    try:
        return await policies.in_force(parts)
    except PolicyUnavailable:
        return None


def _configuration(parts: ApiParts, me: Principal) -> ConfigurationView | None:
    if not OPERATOR_OR_ADMIN & set(me.roles):
        return None
    try:
        return configuration_view(parts)
    except Problem:
        return None
