"""A supervised emulator that dies and comes back forgets nothing, and its log stays whole."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from emulators.gke.fleet import load_fleet
from emulators.gke.http_server import is_loopback
from emulators.gke.log import CallLog, read_calls
from emulators.gke.server import Emulator, Options
from tests.gke_fixtures import ROOT, EmulatorProcess, RunningEmulator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulators.gke.conftest import Client

INFERENCE = "acme-prod/europe-west4/serving/inference"


async def test_sizes_operations_and_faults_survive_a_kill(
    practice_fleet: EmulatorProcess, process_client: Client
) -> None:
    await practice_fleet.admin.settings(operation=1.5)
    await practice_fleet.admin.add_fault("CancelOperation", "internal")
    started = await process_client.set_size(INFERENCE, 3)
    await practice_fleet.kill()
    await practice_fleet.start()
    state = await practice_fleet.admin.state()
    assert state["effects"] == 1
    assert [fault["method"] for fault in state["faults"]] == ["CancelOperation"]
    for _ in range(100):
        pool = await practice_fleet.admin.pool(INFERENCE)
        if [group["running"] for group in pool["groups"]] == [3, 3, 3]:
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("the resize did not go on")
    (call,) = practice_fleet.calls().accepted("SetNodePoolSize")
    assert call.operation == started.name
    numbers = [call.seq for call in practice_fleet.calls()]
    assert len(numbers) == len(set(numbers))


async def test_an_effect_that_was_saved_but_not_logged_is_logged_at_the_next_start(
    practice_fleet: EmulatorProcess, process_client: Client
) -> None:
    await process_client.set_size(INFERENCE, 3)
    await practice_fleet.kill()
    lines = practice_fleet.log_path.read_bytes().splitlines(keepends=True)
    practice_fleet.log_path.write_bytes(b"".join(lines[:-1]))
    assert practice_fleet.calls().accepted() == []
    await practice_fleet.start()
    assert len(practice_fleet.calls().accepted("SetNodePoolSize")) == 1


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "log.jsonl")
    log.append('{"seq":1,"ts":"2026-01-01T00:00:00Z","surface":"container","method":"GetCluster"}')
    log.close()
    with (tmp_path / "log.jsonl").open("ab") as out:
        out.write(b'{"seq":2,"ts":"2026')
    assert [call.seq for call in read_calls(tmp_path / "log.jsonl")] == [1]


async def test_a_reset_goes_back_to_the_fleet_and_the_counters_go_on(
    local_fleet: RunningEmulator, client: Client
) -> None:
    await client.set_size(INFERENCE, 3)
    await local_fleet.admin.reset()
    pool = await local_fleet.admin.pool(INFERENCE)
    assert [group["target"] for group in pool["groups"]] == [2, 2, 2]
    await client.set_size(INFERENCE, 3)
    assert [call.effect for call in local_fleet.calls().accepted()] == [1, 2]


async def test_admin_calls_are_refused_when_others_could_reach_the_emulator(tmp_path: Path) -> None:
    emulator = await Emulator.start(Options(host="0.0.0.0", log=tmp_path / "log"))  # noqa: S104
    port = emulator.compute_url.rpartition(":")[2]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/admin/state")).status_code == 403
        refused = await http.post("/admin/faults", json={"method": "GetCluster", "kind": "internal"})
    await emulator.stop()
    assert refused.status_code == 403
    assert not is_loopback("0.0.0.0")  # noqa: S104
    assert is_loopback("::1")


async def test_admin_calls_take_json_with_known_fields_only(local_fleet: RunningEmulator) -> None:
    async with httpx.AsyncClient(base_url=local_fleet.compute_url, trust_env=False) as http:
        form = await http.post("/admin/faults", content="{}", headers={"Content-Type": "text/plain"})
        unknown = await http.post("/admin/faults", json={"method": "GetCluster", "kind": "internal", "x": 1})
        broken = await http.post("/admin/faults", content="{", headers={"Content-Type": "application/json"})
        zone = await http.patch(f"/admin/pools/{INFERENCE}", json={"zones": {"mars-a": 1}})
    assert [answer.status_code for answer in (form, unknown, broken, zone)] == [415, 400, 400, 404]


def test_a_fleet_file_is_checked_when_it_is_read(tmp_path: Path) -> None:
    fleet = {
        "projects": [
            {
                "id": "p",
                "number": 1,
                "clusters": [{"name": "c", "location": "europe-west1", "node_pools": []}],
            }
        ]
    }
    path = tmp_path / "fleet.yaml"
    path.write_text(json.dumps(fleet))
    with pytest.raises(ValueError, match="needs its zones"):
        load_fleet(str(path))
    command = [sys.executable, "-m", "emulators.gke", "--fleet", str(path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert "needs its zones" in ended.stderr
