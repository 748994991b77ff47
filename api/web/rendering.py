"""Templates to HTML: one environment that escapes everything, and what every page carries around its own content.

`page` answers with a whole document, `fragment` with a part that htmx puts into one. Both bring their own nonce.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from adapters.store import halts, inbox
from api import words
from api.parts import ApiParts, parts_of
from api.problems import TRACE_ID
from api.safety.break_glass import open_grants
from api.safety.service import halt_view
from api.web.inert import inert, visible
from api.web.security import new_nonce, page_headers
from api.web.session import reader_mark
from api.web.static_files import asset
from contracts.errors import StoreUnavailable
from contracts.principal import Principal

TEMPLATES = Path(__file__).parent / "templates"
THEME_COOKIE = "sluice_theme"
_PATIENCE = 2.0
"""Seconds that a page waits for what stands around it."""

Theme = Literal["light", "dark", "system"]
Navigation = Literal["inbox", "chat", "activity", "operations", "people", "rules", "audit", "docs", ""]

_environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals["asset"] = asset
_environment.filters.update(
    inert=inert,
    visible=visible,
    words=words.plain,
    sentence=words.sentence,
    money=words.money,
    delta=words.delta,
    signed=words.signed,
    percent=words.percent,
    duration=words.duration,
    utc=words.utc,
    ending=words.ending,
    action_kind=words.action_kind,
    voted=words.voted,
    scope=words.scope,
    issued_by=words.issued_by,
    reader_mark=reader_mark,
)


async def page(
    request: Request,
    template: str,
    *,
    me: Principal | None,
    active: Navigation = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """Return a whole document. The shell around it never fails it: what cannot be read is not shown."""
    shell = await _shell_if_known(parts_of(request), me)
    after = getattr(request.state, "after", None)
    known = {} if after is None else {"after": after}
    return _respond(
        request, template, status, headers, {"me": me, "active": active} | known | shell | context
    )


def fragment(
    request: Request,
    template: str,
    *,
    me: Principal | None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """Return a part of a document, for htmx."""
    return _respond(request, template, status, headers, {"me": me} | context)


def is_fragment_wanted(request: Request) -> bool:
    """Tell whether htmx asked, and not the browser itself."""
    return "hx-request" in request.headers


def theme_of(request: Request) -> Theme:
    """Return the theme the reader chose."""
    chosen = request.cookies.get(THEME_COOKIE)
    return cast("Theme", chosen) if chosen in ("light", "dark") else "system"


async def shell_of(parts: ApiParts, me: Principal) -> dict[str, Any]:
    """Return what stands around every page: open halts, break-glass, and how many proposals wait for the reader.

    Raises:
        StoreUnavailable: nothing is known; no halt must not look like that.
    """
    async with parts.database.reading() as connection:
        open_halts = await halts.open_halts(connection)
        grants = await open_grants(connection, parts.tenant)
        waiting = await inbox.count_waiting_for(connection, parts.tenant, me)
    return {
        "halts": tuple(halt_view(one) for one in open_halts),
        "grants": grants,
        "waiting_count": waiting,
    }


async def _shell_if_known(parts: ApiParts, me: Principal | None) -> dict[str, Any]:
    unknown: dict[str, Any] = {"halts": (), "grants": (), "waiting_count": None}
    if me is None:
        return unknown
    try:
        async with asyncio.timeout(_PATIENCE):
            return await shell_of(parts, me)
    except (StoreUnavailable, TimeoutError):
        # The page around it shows the same failure, or is that failure's own page.
        return unknown


def _respond(
    request: Request,
    template: str,
    status: int,
    headers: Mapping[str, str] | None,
    context: Mapping[str, Any],
) -> HTMLResponse:
    nonce, parts = new_nonce(), parts_of(request)
    about = {
        "nonce": nonce,
        "theme": theme_of(request),
        "mode": parts.mode,
        "version": parts.version,
        "now": datetime.now(UTC),
        "path": request.url.path,
        "trace_id": request.scope.get(TRACE_ID, ""),
    }
    html = _environment.get_template(template).render(about | dict(context))
    return HTMLResponse(html, status, page_headers(nonce) | dict(headers or {}))
