"""One operation called as described, and a description that lies; `make proof-api` calls all of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import requests

from proofs.api_fuzz.__main__ import CALLERS, Found, Fuzzer, faults_of
from proofs.served_api import ServedApi, served_api

OPERATION = "GET /v1/halts/{halt_id}"


def run_both(api: ServedApi) -> tuple[Found, Found]:
    document: dict[str, Any] = requests.get(f"{api.url}/openapi.json", timeout=30).json()
    honest = Fuzzer(api, 2, 1).run(OPERATION)
    del document["paths"]["/v1/halts/{halt_id}"]["get"]["responses"]["401"]
    return honest, Fuzzer(api, 2, 1).run(OPERATION, document)


async def test_an_operation_answers_as_described_and_a_missing_status_is_found(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        honest, lied_to = await asyncio.to_thread(run_both, api)
    assert faults_of(honest) == []
    assert honest.calls >= 2 * len(CALLERS)
    assert any("Undocumented" in fault for fault in faults_of(lied_to))
    assert all(fault.startswith(f'--seed 1 --only "{OPERATION}"') for fault in faults_of(lied_to))
