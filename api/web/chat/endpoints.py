"""`/chat`: one's own conversations, one of them, a turn of it as it changes, and the form that adds a turn.

A turn goes the way of every request (`api/requests/service.py`): what is written here asks, and decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request, Response

from api.parts import ApiParts, Parts
from api.problems import Problem, not_found
from api.requests import conversations, service
from api.requests.schemas import ConversationView
from api.web.answers import go_to
from api.web.chat import view
from api.web.forms import claim_of, fields_of
from api.web.rendering import fragment, is_fragment_wanted, page
from api.web.routes import web_router
from api.web.session import SignedIn, SignedInRequester
from contracts.principal import Principal
from contracts.request import Channel

LISTED = 50
"""Conversations in the list at the side."""

router = web_router("/chat")


@router.get("")
async def begin(
    request: Request,
    parts: Parts,
    me: SignedIn,
    text: Annotated[str, Query(max_length=view.MAX_TEXT)] = "",
) -> Response:
    """Show one's conversations, and the form that begins a new one; `text` stands in it, and nothing is sent."""
    return await _page(request, parts, me, None, draft=text)


@router.get("/conversations")
async def listed(request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show the list at the side as it is now."""
    found = await conversations.page(parts, me, LISTED)
    return fragment(
        request,
        "chat/list.html",
        me=me,
        conversations=found.conversations,
        current=request.headers.get("hx-current-url", "").rpartition("/chat/")[2],
    )


@router.get("/{conversation_id}")
async def show(conversation_id: str, request: Request, parts: Parts, me: SignedIn) -> Response:
    """Show one of one's own conversations."""
    return await _page(request, parts, me, await conversations.show(parts, conversation_id, me))


@router.get("/{conversation_id}/turns/{request_id}")
async def turn(
    conversation_id: str, request_id: str, request: Request, parts: Parts, me: SignedIn, seen: str = ""
) -> Response:
    """Show a turn as it is now; 204 while it is open, as the reader has it: what streams in is not disturbed."""
    shown = await conversations.show(parts, conversation_id, me)
    for one in shown.turns:
        if one.request_id == request_id:
            if seen == "open" and not one.status.is_final:
                return Response(status_code=204)
            return fragment(
                request, "chat/turn.html", me=me, turn=view.turn_of(one), conversation_id=conversation_id
            )
    raise not_found("request")


@router.post("")
async def open_conversation(request: Request, parts: Parts, me: SignedInRequester) -> Response:
    """Ask for the first time; the conversation's page opens."""
    return await _ask(request, parts, me, None)


@router.post("/{conversation_id}")
async def go_on(conversation_id: str, request: Request, parts: Parts, me: SignedInRequester) -> Response:
    """Ask the next thing."""
    return await _ask(request, parts, me, conversation_id)


async def _ask(request: Request, parts: ApiParts, me: Principal, conversation_id: str | None) -> Response:
    fields = await fields_of(request)
    try:
        asked = service.Asked(_text_in(fields), conversation_id)
        answer = await service.receive(parts, asked, me, Channel.CHAT, claim_of(request, me, fields))
    except Problem as problem:
        return await _not_sent(request, parts, me, conversation_id, fields, problem)
    opened = answer.body["conversation_id"]
    if conversation_id is None or not is_fragment_wanted(request):
        return go_to(request, f"/chat/{opened}")
    shown = await conversations.show(parts, opened, me)
    sent = {"HX-Trigger": json.dumps({"sluice:sent": {"request": answer.body["request_id"]}})}
    return fragment(request, "chat/transcript.html", me=me, headers=sent, **_turns(shown))


def _text_in(fields: Mapping[str, str]) -> str:
    text = fields.get("text", "").strip()
    if not text:
        raise Problem(422, "text_missing", "Write what you want first.")
    if len(text) > view.MAX_TEXT:
        told = f"At most {view.MAX_TEXT:,} characters; these are {len(text):,}."
        raise Problem(422, "text_too_long", told)
    return text


async def _not_sent(
    request: Request,
    parts: ApiParts,
    me: Principal,
    conversation_id: str | None,
    fields: Mapping[str, str],
    problem: Problem,
) -> Response:
    """Say what went wrong beside the form, which keeps its text."""
    if problem.status == HTTPStatus.NOT_FOUND:
        raise problem
    if is_fragment_wanted(request):
        there = {"HX-Retarget": "#not-sent", "HX-Reswap": "innerHTML"}
        return fragment(
            request, "chat/not_sent.html", me=me, status=problem.status, headers=there, problem=problem
        )
    shown = await conversations.show(parts, conversation_id, me) if conversation_id else None
    return await _page(request, parts, me, shown, draft=fields.get("text", ""), problem=problem)


async def _page(
    request: Request,
    parts: ApiParts,
    me: Principal,
    shown: ConversationView | None,
    *,
    draft: str = "",
    problem: Problem | None = None,
) -> Response:
    found = await conversations.page(parts, me, LISTED)
    return await page(
        request,
        "chat/page.html",
        me=me,
        active="chat",
        status=problem.status if problem else 200,
        conversations=found.conversations,
        current=shown.conversation_id if shown else "",
        may_ask=view.may_ask(me),
        examples=view.examples(parts.mode),
        key=view.fresh_key(),
        draft=draft,
        max_text=view.MAX_TEXT,
        problem=problem,
        **_turns(shown),
    )


def _turns(shown: ConversationView | None) -> dict[str, Any]:
    return {
        "turns": [view.turn_of(one) for one in shown.turns] if shown else [],
        "conversation_id": shown.conversation_id if shown else "",
    }
