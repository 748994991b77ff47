"""`/audit`: the log with filters in the address, one event, the decision record of a proposal, and verification."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Form, Path, Query, Request, Response
from starlette.responses import RedirectResponse

from adapters.store import audit_search
from adapters.store.audit_search import Order
from api.audit import service
from api.audit.lines import words_of
from api.audit.schemas import MAX_NOTE, Events, VerificationView
from api.audit.verification import Verifications
from api.parts import Parts
from api.problems import Problem
from api.web.audit.form import MOST_ACTORS, form_of
from api.web.audit.highlight import tokens
from api.web.audit.topics import ICONS, TOPIC_OF, TOPICS
from api.web.rendering import fragment, is_fragment_wanted, page
from api.web.routes import web_router
from api.web.session import SignedIn
from contracts.audit import MAX_NUMBER

router = web_router("/audit")

PAGE = 50
"""Events on one page."""
MANY_NEWER = 100

Runs = Annotated[Verifications, Depends(service.verifications_of)]
Number = Annotated[int, Path(ge=0, le=MAX_NUMBER)]


@router.get("")
async def log(request: Request, parts: Parts, runs: Runs, me: SignedIn) -> Response:
    """Show the events that the address asks for, the newest first."""
    form = form_of(request.query_params)
    found = Events(items=())
    async with parts.database.reading() as connection:
        actors = await audit_search.actors(connection, parts.tenant, MOST_ACTORS)
    if not form.errors:
        found = await service.events(parts, form.wanted, before=form.before, order=Order.NEWEST, limit=PAGE)
    return await page(
        request,
        "audit/page.html",
        me=me,
        active="audit",
        status=422 if form.errors else 200,
        form=form,
        events=found,
        actors=actors,
        topics=TOPICS,
        about=await service.proposals_about(parts, found.items),
        run=runs.newest(),
        words_of=words_of,
    )


@router.get("/newer")
async def newer(
    request: Request, parts: Parts, me: SignedIn, after: Annotated[int, Query(ge=-1, le=MAX_NUMBER)]
) -> Response:
    """Tell how many events came since, for the page that is open."""
    form = form_of(request.query_params)
    count = 0
    if not form.errors:
        async with parts.database.reading() as connection:
            count = await audit_search.count_newer(
                connection, parts.tenant, form.wanted, after=after, limit=MANY_NEWER
            )
    return fragment(request, "audit/newer.html", me=me, form=form, count=count, many=MANY_NEWER, newest=after)


@router.get("/events/{number}")
async def event(request: Request, parts: Parts, me: SignedIn, number: Number) -> Response:
    """Show one event: what was signed, and its place in the tree."""
    found = await service.event(parts, number)
    if found.event is None:
        return await page(request, "audit/unreadable.html", me=me, active="audit", item=found)
    content: dict[str, Any] = {
        "item": found,
        "told": words_of(found.event),
        "tokens": list(tokens(found.event.payload)),
    }
    if is_fragment_wanted(request):
        return fragment(request, "audit/payload.html", me=me, **content)
    topic = TOPIC_OF[found.event.type]
    return await page(
        request, "audit/event.html", me=me, active="audit", topic=topic, icon_name=ICONS[topic], **content
    )


@router.get("/proposals/{proposal_id}")
async def record(request: Request, parts: Parts, me: SignedIn, proposal_id: str) -> Response:
    """Show the decision record of a proposal, for reading and for paper."""
    found = await service.record(parts, proposal_id, me)
    if is_fragment_wanted(request):
        return fragment(request, "audit/record_body.html", me=me, record=found)
    return await page(request, "audit/record.html", me=me, active="audit", record=found)


@router.post("/verifications")
async def verify(
    request: Request, runs: Runs, me: SignedIn, checkpoint: Annotated[str, Form(max_length=MAX_NOTE)] = ""
) -> Response:
    """Start a verification, or join the one that is under way, and show it."""
    # A browser sends line ends as CR LF; a signed note has LF and ends with one.
    kept = checkpoint.replace("\r\n", "\n").strip()
    try:
        run = runs.start(f"{kept}\n" if kept else None)
    except Problem as problem:
        if not is_fragment_wanted(request):
            raise
        context: dict[str, Any] = {"run": runs.newest(), "kept": checkpoint, "refused": problem.detail}
        return fragment(request, "audit/verification.html", me=me, status=problem.status, **context)
    if not is_fragment_wanted(request):
        return RedirectResponse("/audit#verification", 303)
    return _shown(request, me, run)


@router.get("/verifications/{verification_id}")
async def verification(request: Request, runs: Runs, me: SignedIn, verification_id: str) -> Response:
    """Show how far a verification is, or what it found."""
    return _shown(request, me, runs.find(verification_id), is_lost=runs.find(verification_id) is None)


def _shown(
    request: Request, me: SignedIn, run: VerificationView | None, *, is_lost: bool = False
) -> Response:
    return fragment(request, "audit/verification.html", me=me, run=run, is_lost=is_lost)
