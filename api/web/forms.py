"""A form of a page on its way to a service: its fields, its key, and what goes back into the page when it is refused.

A refused form loses nothing: its words go back into the page. Rules stay in the services.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from fastapi import Request

from adapters.store.idempotency import body_digest
from api.bodies import parse_form
from api.idempotency import MAX_KEY, Claim
from api.problems import Problem
from contracts.base import canonical_json
from contracts.decision import MAX_REASON
from contracts.principal import Principal

REASON = "reason"


@dataclass(frozen=True)
class Kept:
    """A form that was refused: its words, and what is wrong with which field."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    form: str = ""
    """Which form of the page it was: `decision`, `comment`, `reset`."""

    @classmethod
    def refused(cls, form: str, fields: Mapping[str, str], problem: Problem | None = None) -> Self:
        """Return what a submitted form held, but for its used key, and what `problem` says of its fields."""
        words = {name: value for name, value in fields.items() if name != "idempotency_key"}
        named = problem.members.get("errors", ()) if problem else ()
        return cls(words, {one["field"]: one["message"] for one in named}, form)

    def value(self, form: str, name: str) -> str:
        """Return what stood in a field of a form."""
        return self.values.get(name, "") if form == self.form else ""

    def error(self, form: str, name: str) -> str:
        """Return what is wrong with a field of a form; empty for nothing."""
        return self.errors.get(name, "") if form == self.form else ""


class FieldRefused(Problem):
    """One field of a form is missing or wrong."""

    def __init__(self, name: str, detail: str, code: str = "field_invalid") -> None:
        super().__init__(422, code, detail, errors=[{"field": name, "message": detail}])
        self.field = name


async def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of a submitted form. Line ends are LF, as everywhere else.

    `api/bodies.py` refused before what two readers could understand differently.
    """
    body = await request.body()
    fields = parse_form(body) if body else []
    return {name: value.replace("\r\n", "\n") for name, value in fields}


def claim_of(request: Request, me: Principal, fields: Mapping[str, str]) -> Claim:
    """Return the claim of a form's hidden key, so that pressing twice is one deed.

    Raises:
        Problem: 422, the form has no usable key.
    """
    key = fields.get("idempotency_key", "")
    if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise Problem(422, "idempotency_key_invalid", "The form came without its key. Reload the page.")
    operation = f"{request.method} {request.url.path}"
    digest = body_digest(canonical_json(dict(fields)), operation=operation)
    return Claim(me.key, key, digest)


def words_in(fields: Mapping[str, str], *, needed: str = "", most: int = MAX_REASON) -> str:
    """Return the text of a form's field `reason`. `needed` says what to do when it is empty and must not be.

    Raises:
        FieldRefused: it is empty, or longer than `most` characters.
    """
    text = fields.get(REASON, "")
    if needed and not text.strip():
        raise FieldRefused(REASON, needed, "reason_required")
    if len(text) > most:
        raise FieldRefused(REASON, f"At most {most:,} characters; these are {len(text):,}.")
    return text
