from __future__ import annotations

from typing import Any

import pytest

from tests.api.serving import Api

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    served: dict[str, Any] = (await api.http.get("/openapi.json")).json()
    return served


def test_every_refusal_is_described_as_the_problem_document_that_it_is(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            refusals = {int(status): one for status, one in operation["responses"].items() if status >= "400"}
            assert refusals, path
            assert all(one["content"] == PROBLEM for one in refusals.values() if path != "/readyz")
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/v1/budgets", {400, 401, 403, 503}),
        ("get", "/v1/halts/{halt_id}", {400, 401, 403, 404, 422, 503}),
        ("post", "/v1/proposals", {400, 401, 403, 404, 408, 409, 413, 415, 422, 503}),
        ("get", "/v1/stream", {400, 401, 403, 422, 429, 503}),
        ("get", "/healthz", {400}),
    ],
)
def test_which_refusals_an_operation_has_follows_from_its_shape(
    document: dict[str, Any], method: str, path: str, statuses: set[int]
) -> None:
    answers = document["paths"][path][method]["responses"]
    assert {int(status) for status in answers if status >= "400"} == statuses


async def test_a_refusal_has_what_the_description_asks_of_it(api: Api, document: dict[str, Any]) -> None:
    refused = (await api.get("/v1/audit/events", limit="many")).json()
    assert set(document["components"]["schemas"]["Problem"]["required"]) <= set(refused)


def test_what_an_operation_says_of_its_own_failure_stays(document: dict[str, Any]) -> None:
    answer = document["paths"]["/readyz"]["get"]["responses"]["503"]
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Readiness")
