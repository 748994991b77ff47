"""What an answer to poison may be, and what may be stored after it: judged from the database, not from the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import ValidationError
from sqlalchemy import func, select

from adapters.store.database import Database
from adapters.store.schema import decisions, halts, proposals, requests
from contracts.proposal import Draft
from contracts.request import Request
from proofs.hostile.poison import Poison
from proofs.hostile.wire import Answer
from proofs.served_api import ROOT, ServedApi

_PROBLEM = "application/problem+json"
_TRACES = (
    b"Traceback",
    b'File "',
    str(ROOT).encode(),
    b"asyncpg",
    b"sqlalchemy",
    b"pydantic_core",
    b"postgresql",
)


def of_answer(poison: Poison, answer: Answer, secrets: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with an answer."""
    if answer.status >= 500:
        yield f"{answer.status} {answer.document().get('reason_code', '')}"
    elif answer.status >= 400:
        yield from _of_refusal(poison, answer)
    elif answer.status == 0 and not poison.is_framing:
        yield "closed without an answer"
    elif answer.status and not 200 <= answer.status < 300:
        yield f"answered with {answer.status}"
    if any(trace in answer.body for trace in _TRACES):
        yield "shows our code"
    if any(secret.encode() in answer.body for secret in secrets):
        yield "repeats a secret"
    if "set-cookie" in answer.headers or "x-injected" in answer.headers:
        yield "sets a header that the caller chose"


def is_below_the_application(poison: Poison, answer: Answer) -> bool:
    """Tell whether the HTTP server refused by itself: what is no HTTP reaches no application."""
    is_plain = answer.headers.get("content-type", "").startswith("text/plain")
    return poison.is_framing and (answer.status == 0 or (answer.status == 400 and is_plain))


def _of_refusal(poison: Poison, answer: Answer) -> Iterator[str]:
    if is_below_the_application(poison, answer):
        return
    document = answer.document()
    if answer.headers.get("content-type") != _PROBLEM or not document.get("reason_code"):
        yield f"{answer.status} that is no problem document"
    elif document.get("status") != answer.status:
        yield f"{answer.status} that calls itself {document.get('status')}"


def ids_in(answer: Answer) -> set[str]:
    """Return the ids that a success promised."""
    document = answer.document()
    named = {document.get("request_id"), document.get("proposal_id"), *document.get("request_ids", ())}
    return {one for one in named if isinstance(one, str)} if 200 <= answer.status < 300 else set()


async def of_store(api: ServedApi, promised: set[str]) -> list[str]:
    """Return what is stored that may not be, and what was promised and is not."""
    database = Database(api.database_url, pool_size=1)
    found: list[str] = []
    try:
        async with database.reading() as connection:
            asked = (
                await connection.execute(select(requests.c.id, requests.c.tenant, requests.c.document))
            ).all()
            made = (
                await connection.execute(select(proposals.c.id, proposals.c.tenant, proposals.c.draft))
            ).all()
            votes = (await connection.execute(select(func.count()).select_from(decisions))).scalar_one()
            stops = list((await connection.execute(select(halts.c.id))).scalars())
    finally:
        await database.close()
    stored = {row.id for row in (*asked, *made)}
    known = {api.known["request_id"], api.known["proposal_id"]}
    found += [f"{one} was promised and is not stored" for one in promised - stored]
    found += [f"{one} is stored and was promised to nobody" for one in stored - promised - known]
    found += [
        f"{row.id} belongs to tenant {row.tenant!r}" for row in (*asked, *made) if row.tenant != "default"
    ]
    found += [f"{row.id}: no request" for row in asked if not _is(Request, row.document)]
    found += [f"{row.id}: no proposal of the catalogue" for row in made if not _is(Draft, row.draft)]
    if votes:
        found.append(f"{votes} decisions were recorded")
    if stops != [api.known["halt_id"]]:
        found.append(f"{len(stops)} halts are there, one was made")
    return found


def _is(noun: type[Request | Draft], content: object) -> bool:
    try:
        noun.model_validate(content)
    except ValidationError:
        return False
    return True
