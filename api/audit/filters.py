"""AUDIT: which events, as query parameters. The endpoints, the export and the pages share them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from adapters.store.audit_search import Wanted
from api.moments import Moment
from api.problems import Problem
from contracts.audit import AuditType

MAX_ACTOR = 401
MAX_SUBJECT = 500


def filters(
    type: Annotated[list[AuditType] | None, Query(description="May be repeated.")] = None,  # noqa: A002
    subject: Annotated[
        str | None, Query(max_length=MAX_SUBJECT, description="Id of what it is about.")
    ] = None,
    actor: Annotated[
        str | None, Query(max_length=MAX_ACTOR, pattern="^.+/.+$", description="`issuer/subject`.")
    ] = None,
    since: Annotated[Moment | None, Query(description="From this moment on (RFC 3339).")] = None,
    until: Annotated[Moment | None, Query(description="Before this moment (RFC 3339).")] = None,
) -> Wanted:
    """Return which events are wanted.

    Raises:
        Problem: 422, the times leave nothing.
    """
    if since is not None and until is not None and since >= until:
        fields = [{"field": "query.until", "code": "range_empty", "message": "It has to be after since."}]
        raise Problem(422, "invalid_request", "The request is not valid.", errors=fields)
    return Wanted(tuple(dict.fromkeys(type or ())), subject, actor, since, until)


Filters = Annotated[Wanted, Depends(filters)]
