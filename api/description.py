"""The OpenAPI description that the API serves: FastAPI's, with the refusals that the boundary and the gates make.

FastAPI knows what an endpoint returns, and of refusals only its own 422, in a shape that is not ours. Which refusals an
operation can make follows from its shape: whether it names a caller, takes a body, names a thing, changes something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE

_PROBLEM = "Problem"
_FRAMEWORKS = ("HTTPValidationError", "ValidationError")
_TEXT = {"type": "string"}
_FIELD = {
    "type": "object",
    "required": ["field", "code", "message"],
    "properties": {"field": _TEXT, "code": _TEXT, "message": _TEXT},
}
_SCHEMA = {
    "title": _PROBLEM,
    "description": "A refusal, as RFC 9457 has it. `reason_code` is stable; some codes have members of their own.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "reason_code", "trace_id"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT,
        "instance": _TEXT,
        "reason_code": _TEXT,
        "trace_id": _TEXT,
        "errors": {"type": "array", "items": _FIELD, "description": "What is wrong with which field."},
    },
}
_PUBLIC = (400,)
_GUARDED = (400, 401, 403, 503)
_WITH_BODY = (408, 413, 415)
"""Of every method that may have a body, whether the operation reads one or not."""
_CHANGES = (404, 409, 422)
"""What is named in a body may be missing; what is there may forbid it; `Idempotency-Key` may have been used."""
_STREAMS = (429,)


def install(app: FastAPI) -> None:
    """Let the application serve this description. It is made when it is first asked for."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    for methods in document["paths"].values():
        for method, operation in methods.items():
            answers = operation["responses"]
            answers.pop("422", None)
            declared = [int(status) for status in answers if status >= "400"]
            for status in sorted({*declared, *_refusals(method, operation)}):
                answers[str(status)] = _refusal(status) | answers.get(str(status), {})
    schemas = document["components"]["schemas"]
    schemas[_PROBLEM] = _SCHEMA
    for name in _FRAMEWORKS:
        schemas.pop(name, None)
    return document


def _refusals(method: str, operation: Mapping[str, Any]) -> Iterator[int]:
    parameters = operation.get("parameters", ())
    yield from _GUARDED if operation.get("security") else _PUBLIC
    if method != "get":
        yield from (*_WITH_BODY, *_CHANGES)
    if any(one["in"] == "path" for one in parameters):
        yield HTTPStatus.NOT_FOUND
    if parameters:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
        yield from _STREAMS


def _refusal(status: int) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}
