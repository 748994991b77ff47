"""How every page of operations answers: what its templates are given, whole page or live part."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import Request, Response

from api import words
from api.web.forms import Kept
from api.web.operations import view
from api.web.operations.breaker_words import GUARDS
from api.web.operations.grants import GATES, NEVER
from api.web.operations.scope import scope_words
from api.web.operations.windows import local_words, place_words
from api.web.rendering import fragment, is_fragment_wanted, page
from contracts.principal import Principal, Role

_WORDS: dict[str, Any] = {
    "breaker_name": view.breaker_name,
    "pool_name": view.pool_name,
    "pool_bound": view.pool_bound,
    "change_words": view.change_words,
    "who": words.who,
    "scope_words": scope_words,
    "fates": view.FATES,
    "gates": GATES,
    "guards": GUARDS,
    "never": NEVER,
    "place_words": place_words,
    "local_words": local_words,
    "conflict": "",
    "problem": None,
}
"""Functions, tables and defaults that every template of this room gets."""


async def show(
    request: Request, me: Principal, section: str, *, status: int = 200, **context: Any
) -> Response:
    """Answer with a section: its live part (`_<section>.html`) for htmx, the whole page for a browser."""
    given = _WORDS | {"section": section, "may_operate": may_operate(me)} | context
    if is_fragment_wanted(request):
        return fragment(request, f"operations/_{section}.html", me=me, status=status, **given)
    return await page(request, "operations/page.html", me=me, active="operations", status=status, **given)


async def show_one(
    request: Request,
    me: Principal,
    template: str,
    *,
    part: str = "body",
    status: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> Response:
    """Answer with the page of one thing (`<template>.html`), or for htmx with a part of it (`<template>_<part>.html`).

    Every form of it gets a fresh idempotency key.
    """
    given = (
        _WORDS | {"may_operate": may_operate(me), "key": secrets.token_urlsafe(16), "kept": Kept()} | context
    )
    if is_fragment_wanted(request):
        name = f"operations/{template}_{part}.html"
        return fragment(request, name, me=me, status=status, headers=headers, **given)
    return await page(
        request, f"operations/{template}.html", me=me, active="operations", status=status, **given
    )


def may_be_second(me: Principal) -> bool:
    """Tell whether somebody may confirm, end and review break-glass; which of them, the grant itself says."""
    return bool({Role.OPERATOR, Role.APPROVER} & set(me.roles))


def may_operate(me: Principal) -> bool:
    """Tell whether somebody may stop, reset and let go on."""
    return Role.OPERATOR in me.roles
