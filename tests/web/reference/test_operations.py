"""The API reference against the application it speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api.web.reference.codes import OWN
from api.web.reference.operations import Operation, tags_of
from api.web.reference.shapes import Shapes
from tests.api.serving import Api, serving
from tests.docs.pages import named


@pytest.fixture
async def operations(migrated_database_url: str) -> Any:
    async with serving(migrated_database_url) as api:
        yield {(one.method.lower(), one.path): one for tag in tags_of(api.app) for one in tag.operations}, api


def test_every_operation_of_the_document_is_told_and_none_is_invented(
    operations: tuple[dict[tuple[str, str], Operation], Api],
) -> None:
    found, api = operations
    document = api.app.openapi()
    wanted = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert set(found) == wanted
    assert len({one.id for one in found.values()}) == len(found)
    assert set(OWN) <= wanted


def _properties(schema: dict[str, Any], schemas: dict[str, Any], seen: frozenset[str]) -> Iterator[str]:
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        if name not in seen:
            yield from _properties(schemas[name], schemas, seen | {name})
        return
    for key, inner in schema.get("properties", {}).items():
        yield key
        yield from _properties(inner, schemas, seen)
    extra = schema.get("additionalProperties")
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), schema.get("items"), extra]
    for inner in parts:
        if isinstance(inner, dict):
            yield from _properties(inner, schemas, seen)


def test_every_field_of_every_body_is_told(
    operations: tuple[dict[tuple[str, str], Operation], Api],
) -> None:
    found, api = operations
    document = api.app.openapi()
    schemas = document["components"]["schemas"]
    for (method, path), operation in found.items():
        body = document["paths"][path][method].get("requestBody", {}).get("content", {})
        for media in body.values():
            wanted = set(_properties(media["schema"], schemas, frozenset()))
            assert {row.name for row in operation.body if " " not in row.name} == wanted, path


def test_who_may_call_is_read_from_the_gates(
    operations: tuple[dict[tuple[str, str], Operation], Api],
) -> None:
    found, _ = operations
    assert found["post", "/v1/halts"].roles == ("operator",)
    assert found["get", "/v1/audit/events"].roles == ()
    assert not found["get", "/v1/audit/events"].is_public
    assert found["get", "/healthz"].is_public


def test_every_code_that_an_operation_names_is_on_the_page_of_reason_codes(
    operations: tuple[dict[tuple[str, str], Operation], Api],
) -> None:
    found, _ = operations
    page = set(named("reason-codes.md"))
    told = {code for one in found.values() for refusal in one.refusals for code in refusal.codes}
    assert sorted(told - page) == []


def test_an_example_names_token_key_and_a_body_that_the_api_takes(
    operations: tuple[dict[tuple[str, str], Operation], Api],
) -> None:
    found, _ = operations
    curl = found["post", "/v1/proposals"].curl
    assert curl.startswith('curl -X POST "$SLUICE_URL/v1/proposals"')
    assert "Authorization: Bearer $SLUICE_TOKEN" in curl
    assert "Idempotency-Key" in curl
    assert '"kind": "gke.node_pool.resize"' in curl
    assert found["get", "/healthz"].curl == 'curl "$SLUICE_URL/healthz"'


def test_a_schema_that_holds_itself_is_cut() -> None:
    tree = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
        },
    }
    shapes = Shapes({"components": {"schemas": {"Tree": tree}}})
    rows = shapes.rows({"$ref": "#/components/schemas/Tree"})
    assert [(row.name, row.type) for row in rows] == [("name", "string"), ("children", "list of Tree")]


def test_bounds_and_choices_are_told_in_words() -> None:
    shapes = Shapes({})
    limited = {"anyOf": [{"type": "string", "maxLength": 2000}, {"type": "null"}], "default": "x"}
    assert shapes.type_of(limited) == "string or null"
    assert shapes.limits_of(limited) == ("at most 2,000 characters", 'otherwise "x"')
    assert shapes.values_of({"type": "array", "items": {"enum": ["a", "b"]}}) == ("a", "b")
