"""Errors over HTTP: RFC 9457 problem documents with a stable `reason_code`. One function maps every error.

What is not ours is an internal error without a word about its cause; the cause is in the log under the trace id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from contracts.errors import PolicyUnavailable, SluiceError, StoreUnavailable, WorkflowUnavailable

MEDIA_TYPE = "application/problem+json"
TRACE_ID = "sluice.trace_id"
"""Key in the ASGI scope under which the trace id of a request stands."""

_log = structlog.get_logger(__name__)
_MAX_MESSAGE = 300
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 §9.2.1)."""
_RETRY_AFTER_SECONDS = "2"
_UNAVAILABLE = (StoreUnavailable, WorkflowUnavailable, PolicyUnavailable)


class Problem(SluiceError):
    """A request that is refused, and how to say so."""

    def __init__(self, status: int, code: str, detail: str, **members: Any) -> None:
        """`code` is the stable reason code, `detail` one sentence for a person, `members` extra JSON members."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.members: Mapping[str, Any] = members


def not_found(what: str) -> Problem:
    """Return the problem for something that is not there, or belongs to another tenant."""
    return Problem(404, f"{what}_not_found", f"There is no such {what}.")


def describe(problem: Problem, *, instance: str, trace_id: str = "") -> dict[str, Any]:
    """Return the RFC 9457 problem document."""
    return {
        "type": f"urn:sluice:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "reason_code": problem.code,
        "trace_id": trace_id,
        **problem.members,
    }


def respond(scope: Scope, problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the response for a problem of the request in this ASGI scope."""
    body = describe(problem, instance=scope.get("path", ""), trace_id=scope.get(TRACE_ID, ""))
    return JSONResponse(body, problem.status, dict(headers or {}), MEDIA_TYPE)


def respond_to(scope: Scope, error: Exception) -> JSONResponse:
    """Map any error to its response."""
    problem, headers = classify(scope, error)
    return respond(scope, problem, headers)


def classify(scope: Scope, error: Exception) -> tuple[Problem, dict[str, str]]:
    """Return the problem that an error is to its caller, and headers: the one place where that is decided."""
    if isinstance(error, Problem):
        return error, _challenge(error.status)
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors()), {}
    if isinstance(error, HTTPException):
        return _of_framework(error), dict(error.headers or {})
    if isinstance(error, _UNAVAILABLE):
        _log.warning("unavailable", reason_code=error.reason_code, path=scope.get("path"))
        return Problem(503, error.reason_code, _unavailable(scope)), {"Retry-After": _RETRY_AFTER_SECONDS}
    _log.error("internal error", path=scope.get("path"), exc_info=error)
    return Problem(500, "internal_error", "Something went wrong on our side."), {}


def _unavailable(scope: Scope) -> str:
    told = "A part this needs does not answer."
    if scope.get("method") in _SAFE:
        return f"{told} Nothing was changed."
    # The connection may have broken during the commit, or after it.
    return f"{told} It may have been done or not: send the same again, with the same Idempotency-Key."


def _challenge(status: int) -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="sluice"'} if status == HTTPStatus.UNAUTHORIZED else {}


def _of_framework(error: HTTPException) -> Problem:
    codes = {404: "route_not_found", 405: "method_not_allowed"}
    phrase = HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, codes.get(error.status_code, "http_error"), f"{phrase}.")


def _invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    fields = [
        {
            "field": ".".join(str(part) for part in error["loc"]),
            "code": error["type"],
            "message": str(error["msg"])[:_MAX_MESSAGE],
        }
        for error in errors
    ]
    in_action = any(tuple(error["loc"][:2]) == ("body", "action") for error in errors)
    if in_action:
        return Problem(422, "invalid_action", "The action is not one of the catalogue.", errors=fields)
    return Problem(422, "invalid_request", "The request is not valid.", errors=fields)


def install(app: FastAPI) -> None:
    """Let every error that leaves an endpoint go through `respond_to`."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        return respond_to(request.scope, error)

    for kind in (SluiceError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
