"""One operation called as described, and a description that lies; `make proof-api` calls all of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import requests

from proofs.api_fuzz.__main__ import CALLERS, Found, Fuzzer, faults_of, unreached
from proofs.api_fuzz.meant import meant_calls
from proofs.served_api import ServedApi, served_api
from tests.api.serving import serving

OPERATION = "GET /v1/halts/{halt_id}"


def run_both(api: ServedApi) -> tuple[Found, Found]:
    document: dict[str, Any] = requests.get(f"{api.url}/openapi.json", timeout=30).json()
    honest = Fuzzer(api, 2, 1).run([OPERATION])
    del document["paths"]["/v1/halts/{halt_id}"]["get"]["responses"]["401"]
    return honest, Fuzzer(api, 2, 1).run([OPERATION], document)


async def test_an_operation_answers_as_described_and_a_missing_status_is_found(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        honest, lied_to = await asyncio.to_thread(run_both, api)
    assert faults_of(honest) == []
    assert honest.calls >= 2 * len(CALLERS)
    assert any("Undocumented" in fault for fault in faults_of(lied_to))
    assert all(fault.startswith(f'--seed 1 --only "{OPERATION}"') for fault in faults_of(lied_to))


async def test_what_chance_hardly_draws_is_called_as_it_is_meant_and_succeeds(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api, serving(api.database_url) as beside:
        beside.tokens.update(api.tokens)
        meant = await meant_calls(beside)
        found = await asyncio.to_thread(Fuzzer(api, 0, 1, meant=meant).run, meant)
    assert faults_of(found) == []
    assert unreached(found) == "none"
    assert found.operations == meant.keys()


def test_operations_of_which_only_refusals_were_seen_are_named() -> None:
    assert (
        unreached(Found(operations={"POST /b", "GET /a", "GET /c"}, reached={"GET /c"})) == "GET /a, POST /b"
    )
