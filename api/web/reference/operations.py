"""The API's operations as the reference shows them: from its OpenAPI document and the gates of its routes. Pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.authentication import Gate
from api.web.reference.codes import OWN
from api.web.reference.shapes import Row, Shapes
from contracts.principal import Role

TAGS: Mapping[str, str] = {
    "requests": "Ask in plain words, and see what became of it.",
    "events": "What monitoring sends.",
    "proposals": "Propose, look, decide, undo.",
    "safety": "Stop effects, circuit breakers, budgets.",
    "audit": "The tamper-evident log.",
    "stream": "Follow along.",
    "operations": "Health and metrics.",
}
"""Order and words of the tags; one that is not here comes last, without words."""
_NAME_OF_ALL = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the address or a header."""

    name: str
    place: str
    type: str
    is_required: bool
    text: str
    values: tuple[str, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is no error."""

    status: int
    phrase: str
    text: str
    media_type: str
    type: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One status of an error, and the reason codes that come with it."""

    status: int
    phrase: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

    id: str
    method: str
    path: str
    text: str
    roles: tuple[str, ...]
    """Who may. Empty: anybody with a role, unless it is public."""
    is_public: bool
    parameters: tuple[Parameter, ...]
    body_type: str
    body: tuple[Row, ...]
    is_body_required: bool
    answers: tuple[Answer, ...]
    refusals: tuple[Refusal, ...]
    curl: str


@dataclass(frozen=True, slots=True)
class Tag:
    """Operations that belong together."""

    name: str
    text: str
    operations: tuple[Operation, ...]


def tags_of(app: FastAPI) -> tuple[Tag, ...]:
    """Return every operation of the application's OpenAPI document, by tag."""
    document = app.openapi()
    shapes, roles = Shapes(document), dict(_roles(app))
    found: dict[str, list[Operation]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, content in methods.items():
            operation = _operation(method, path, content, shapes, roles.get((method, path)))
            found[content.get("tags", ["operations"])[0]].append(operation)
    names = [*(name for name in TAGS if name in found), *(name for name in found if name not in TAGS)]
    return tuple(Tag(name, TAGS.get(name, ""), tuple(found[name])) for name in names)


def _operation(
    method: str, path: str, content: Mapping[str, Any], shapes: Shapes, roles: frozenset[Role] | None
) -> Operation:
    schema, is_required = _body_of(content)
    parameters = tuple(_parameter(one, shapes) for one in content.get("parameters", ()))
    return Operation(
        id=re.sub(r"[^a-z0-9]+", "-", f"{method}{path}".lower()).strip("-"),
        method=method.upper(),
        path=path,
        text=content.get("description", content.get("summary", "")),
        roles=() if roles is None or roles == _NAME_OF_ALL else tuple(sorted(role.value for role in roles)),
        is_public=roles is None,
        parameters=parameters,
        body_type=shapes.type_of(schema) if schema else "",
        body=tuple(shapes.rows(schema)) if schema else (),
        is_body_required=is_required,
        answers=tuple(_answers(content, shapes)),
        refusals=_refusals(method, path, parameters, roles, has_body=schema is not None),
        curl=_curl(
            method, path, parameters, shapes.sample(schema) if schema else None, is_open=roles is None
        ),
    )


def _body_of(content: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    body = content.get("requestBody", {})
    for media in body.get("content", {}).values():
        schema: Mapping[str, Any] = media.get("schema", {})
        return schema, bool(body.get("required"))
    return None, False


def _parameter(given: Mapping[str, Any], shapes: Shapes) -> Parameter:
    schema = given["schema"]
    return Parameter(
        name=given["name"].title() if given["in"] == "header" else given["name"],
        place=given["in"],
        type=shapes.type_of(schema).removesuffix(" or null"),
        is_required=bool(given.get("required")),
        text=given.get("description", ""),
        values=shapes.values_of(schema),
        limits=shapes.limits_of(schema),
    )


def _answers(content: Mapping[str, Any], shapes: Shapes) -> Iterator[Answer]:
    for status, answer in content.get("responses", {}).items():
        number = int(status)
        if number >= HTTPStatus.BAD_REQUEST:
            continue
        content_types: Mapping[str, Any] = answer.get("content", {})
        medium = next(iter(content_types), "")
        schema: Mapping[str, Any] = content_types[medium] if medium else {}
        text = answer.get("description", "")
        yield Answer(
            status=number,
            phrase=HTTPStatus(number).phrase,
            text="" if text == "Successful Response" else text,
            media_type=medium,
            type=shapes.type_of(schema["schema"]) if schema.get("schema") else "",
            rows=tuple(shapes.rows(schema["schema"])) if schema.get("schema") else (),
        )


def _refusals(
    method: str,
    path: str,
    parameters: tuple[Parameter, ...],
    roles: frozenset[Role] | None,
    *,
    has_body: bool,
) -> tuple[Refusal, ...]:
    """What follows from the shape of an operation, and what is its own (`codes.py`)."""
    found: dict[int, list[str]] = defaultdict(list)
    if roles is not None:
        found[401].append("unauthenticated")
        found[503].append("store_unavailable")
        if roles != _NAME_OF_ALL:
            found[403].append("role_required")
    if has_body:
        found[400].append("json_invalid")
        found[413].append("body_too_large")
        found[415].append("media_type_not_supported")
    if has_body or any(one.place != "path" for one in parameters):
        found[422].append("invalid_request")
    if path == "/v1/proposals" and method == "post":
        found[422].append("invalid_action")
    if any(one.name == "Idempotency-Key" for one in parameters):
        found[422] += ["idempotency_key_invalid", "idempotency_key_reused"]
    for one in parameters:
        if one.place == "path":
            found[404].append(f"{re.sub('_(id|number)$', '', one.name)}_not_found")
    for status, codes in OWN.get((method, path), ()):
        found[status] += codes
    return tuple(Refusal(status, HTTPStatus(status).phrase, tuple(found[status])) for status in sorted(found))


def _curl(method: str, path: str, parameters: tuple[Parameter, ...], body: Any, *, is_open: bool) -> str:
    address = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), path)
    verb = "" if method == "get" else f" -X {method.upper()}"
    lines = [f'curl{verb} "$SLUICE_URL{address}"']
    if not is_open:
        lines.append('-H "Authorization: Bearer $SLUICE_TOKEN"')
    if any(one.name == "Idempotency-Key" for one in parameters):
        lines.append('-H "Idempotency-Key: $(uuidgen)"')
    if body is not None:
        lines.append("-H 'Content-Type: application/json'")
        text = json.dumps(body, ensure_ascii=False, indent=2).replace("'", "'\\''")
        lines.append(f"-d '{text}'")
    return " \\\n  ".join(lines)


def _roles(app: FastAPI) -> Iterator[tuple[tuple[str, str], frozenset[Role]]]:
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute):
            continue
        gate = _gate(route.dependant)
        if gate is not None:
            for method in route.methods or ():
                yield (method.lower(), context.path or ""), gate.roles


def _gate(dependant: Dependant) -> Gate | None:
    if isinstance(dependant.call, Gate):
        return dependant.call
    return next((found for inner in dependant.dependencies if (found := _gate(inner))), None)
