"""`Idempotency-Key` on POSTs (draft-ietf-httpapi-idempotency-key-header): a retry gets the first answer again.

The answer is stored in the transaction that does the work, so there is one without the other never. A request that
was refused left nothing behind and is judged anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import idempotency
from api.authentication import authenticate
from api.problems import MEDIA_TYPE, Problem
from contracts.errors import IdempotencyKeyReused
from contracts.principal import Principal

MAX_KEY = 255
_FIRST_ERROR = 400


@dataclass(frozen=True)
class Answer:
    """A status and a JSON body, ready to be kept and sent."""

    status: int
    body: dict[str, Any]
    replayed: bool = False

    @classmethod
    def of(cls, status: int, view: BaseModel) -> Answer:
        """Return the answer that carries a view."""
        return cls(status, view.model_dump(mode="json"))

    def response(self) -> JSONResponse:
        """Return the HTTP response. `Idempotency-Replayed: true` marks an answer that was given before."""
        headers = {"Idempotency-Replayed": "true"} if self.replayed else {}
        media_type = MEDIA_TYPE if self.status >= _FIRST_ERROR else "application/json"
        return JSONResponse(self.body, self.status, headers, media_type)


@dataclass(frozen=True)
class Claim:
    """What a caller said about repeating this request. Without a key every call is new."""

    subject: str
    key: str | None
    digest: str

    async def earlier(self, connection: AsyncConnection) -> Answer | None:
        """Return the answer that was given before, or None: do the work and `keep` its answer.

        Raises:
            Problem: 422, the key came before with another body or for another route.
        """
        if self.key is None:
            return None
        try:
            stored = await idempotency.find(connection, self.subject, self.key, self.digest)
        except IdempotencyKeyReused as error:
            detail = "This Idempotency-Key was used for another request."
            raise Problem(422, error.reason_code, detail) from error
        if stored is None or not isinstance(stored.response, dict):
            return None
        return Answer(stored.status, stored.response, replayed=True)

    async def keep(self, connection: AsyncConnection, answer: Answer) -> Answer:
        """Keep the answer in the transaction that did the work, and return it."""
        if self.key is not None:
            await idempotency.store(
                connection, self.subject, self.key, self.digest, answer.status, answer.body
            )
        return answer

    async def amend(self, connection: AsyncConnection, answer: Answer) -> Answer:
        """Replace the kept answer by what became known after the commit, and return it."""
        if self.key is not None:
            await idempotency.amend(connection, self.subject, self.key, answer.status, answer.body)
        return answer


async def _claim(
    request: Request,
    principal: Annotated[Principal, Depends(authenticate)],
    idempotency_key: Annotated[str | None, Header(description="Repeats are answered alike.")] = None,
) -> Claim:
    if idempotency_key is not None and not (
        0 < len(idempotency_key) <= MAX_KEY and idempotency_key.isascii() and idempotency_key.isprintable()
    ):
        detail = f"An Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters."
        raise Problem(422, "idempotency_key_invalid", detail)
    operation = f"{request.method} {request.url.path}"
    digest = idempotency.body_digest(await request.body(), operation=operation)
    return Claim(principal.key, idempotency_key, digest)


Idempotency = Annotated[Claim, Depends(_claim)]
