"""`run_stack` with the real foundations and a stand-in for `sluice`, so that its own work is what is tested."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local.events import StackError, StackEvent, StackEventKind
from local.identities import IDENTITIES
from local.run import Ready, Seed, StackRunningError, is_running, run_stack
from settings import GkeSettings, HttpSettings, ProgramSettings, Settings

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]

# One program for every subcommand: notes what it was given, and then does as little as its part must.
_SLUICE = """
import http.server, json, os, pathlib, sys, time
environment = {name: value for name, value in os.environ.items() if name.startswith("SLUICE_")}
with (pathlib.Path(environment["SLUICE_STATE_DIR"]) / "ran.jsonl").open("a") as file:
    file.write(json.dumps({"arguments": sys.argv[1:], "environment": environment}) + "\\n")
if sys.argv[1] == "worker":
    pathlib.Path(environment["SLUICE_READY_FILE"]).touch()
    time.sleep(600)
if sys.argv[1] == "api":
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/readyz" else 404)
            self.end_headers()
    address = (environment["SLUICE_HTTP__HOST"], int(environment["SLUICE_HTTP__PORT"]))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""


class Up:
    """A running stack, seen from outside."""

    def __init__(self, ready: Ready, events: list[StackEvent]) -> None:
        self.ready = ready
        self.events = events

    def ran(self) -> list[tuple[list[str], dict[str, str]]]:
        """Arguments and settings of every start of `sluice`, in their order."""
        lines = (self.ready.state_dir / "ran.jsonl").read_text().splitlines()
        return [(run["arguments"], run["environment"]) for run in map(json.loads, lines)]

    def environment_of(self, command: str) -> dict[str, str]:
        return next(environment for arguments, environment in self.ran() if command in arguments)


@pytest.fixture
def settings(short_dir: Path, temporal_binary: Path, opa_binary: Path) -> Settings:
    return Settings(
        state_dir=short_dir / "state",
        http=HttpSettings(port=0),
        programs=ProgramSettings(temporal=temporal_binary, opa=opa_binary),
    )


@pytest.fixture
def light(settings: Settings, temporal_address: str, database_url: str) -> Settings:
    """The same with most parts given by address, which starts faster."""
    given = {
        "database": {"url": database_url},
        "temporal": {"address": temporal_address},
        "gke": {"endpoint": "127.0.0.1:1"},
    }
    return Settings.model_validate({**settings.model_dump(), **given})


@asynccontextmanager
async def up(settings: Settings, *, seed: Seed = "none") -> AsyncIterator[Up]:
    events: list[StackEvent] = []
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def on_ready(facts: Ready) -> None:
        ready.set_result(facts)

    def sluice(*arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-c", _SLUICE, *arguments)

    running = asyncio.create_task(
        run_stack(settings, seed=seed, on_ready=on_ready, progress=events.append, stop=stop, sluice=sluice)
    )
    either: set[asyncio.Future[Any]] = {running, ready}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    try:
        yield Up(ready.result(), events)
    finally:
        stop.set()
        assert await running == 0


async def test_everything_starts_in_order_and_tells_its_pids(
    settings: Settings, is_alive: Callable[[int], bool]
) -> None:
    async with up(settings) as stack:
        pids = stack.ready.pids
        assert set(pids) == {"postgres", "temporal", "opa", "gke", "worker", "api"}
        assert all(is_alive(pid) for pid in pids.values())
        commands = [arguments for arguments, _ in stack.ran()]
        assert commands[0] == ["migrate", "--tokens", str(stack.ready.tokens)]
        assert sorted(map(str, commands[1:])) == ["['api']", "['worker']"]
    assert not any(is_alive(pid) for pid in pids.values())
    stopped = [event.part for event in stack.events if event.kind is StackEventKind.STOPPED]
    assert stopped == ["api", "worker", "gke", "opa", "temporal", "postgres"]


async def test_our_processes_get_addresses_and_only_the_keys_they_need(settings: Settings) -> None:
    async with up(settings) as stack:
        worker, api = stack.environment_of("worker"), stack.environment_of("api")
        tokens = json.loads(stack.ready.tokens.read_text())
    for name in ("DATABASE__URL", "TEMPORAL__ADDRESS", "OPA__URL", "GKE__ENDPOINT", "GKE__COMPUTE_ENDPOINT"):
        assert worker[f"SLUICE_{name}"] == api[f"SLUICE_{name}"]
    assert worker["SLUICE_GKE__MODE"] == "practice"
    assert worker["SLUICE_CONFIG"].endswith("practice.yaml")
    assert worker["SLUICE_KEYS__DECISION_PUBLIC"] == api["SLUICE_KEYS__DECISION_PUBLIC"]
    assert not {"SLUICE_KEYS__DECISION_PRIVATE", "SLUICE_KEYS__AUDIT_PRIVATE"} & set(worker)
    assert {"SLUICE_KEYS__DECISION_PRIVATE", "SLUICE_KEYS__AUDIT_PRIVATE"} <= set(api)
    assert set(tokens) == set(IDENTITIES)


async def test_a_restart_keeps_addresses_and_identities(settings: Settings) -> None:
    async with up(settings) as first:
        tokens = first.ready.tokens.read_bytes()
    async with up(settings) as second:
        assert second.ready.addresses == first.ready.addresses
        assert second.ready.tokens.read_bytes() == tokens


async def test_a_part_with_a_given_address_is_not_started(
    light: Settings, temporal_address: str, database_url: str
) -> None:
    async with up(light) as stack:
        assert set(stack.ready.pids) == {"opa", "worker", "api"}
        worker = stack.environment_of("worker")
    assert worker["SLUICE_DATABASE__URL"] == database_url
    assert worker["SLUICE_TEMPORAL__ADDRESS"] == temporal_address
    assert (worker["SLUICE_GKE__MODE"], worker["SLUICE_GKE__ENDPOINT"]) == ("endpoint", "127.0.0.1:1")


async def test_a_second_start_in_the_same_state_directory_is_refused(light: Settings) -> None:
    async with up(light):
        assert is_running(light.state_dir)
        with pytest.raises(StackRunningError, match=rf"pid {os.getpid()}\).*SLUICE_STATE_DIR"):
            async with up(light):
                pass
    assert not is_running(light.state_dir)


async def test_demo_proposals_are_wanted_once(light: Settings) -> None:
    wanted = []
    seeds: tuple[Seed, ...] = ("none", "demo", "demo")
    for seed in seeds:
        async with up(light, seed=seed) as stack:
            wanted.append(stack.ready.wants_seed)
    assert wanted == [False, True, False]


async def test_a_signal_stops_the_stack(
    light: Settings, is_alive: Callable[[int], bool], eventually: Eventually
) -> None:
    async with up(light) as stack:
        pids = stack.ready.pids.values()
        os.kill(os.getpid(), signal.SIGTERM)
        await eventually(lambda: not any(is_alive(pid) for pid in pids))
    assert [event.part for event in stack.events][-1] == "opa"


async def test_what_goes_wrong_when_ready_stops_the_stack(light: Settings) -> None:
    events: list[StackEvent] = []

    async def on_ready(_: Ready) -> None:
        raise StackError("the demo could not be arranged")

    def sluice(*arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-c", _SLUICE, *arguments)

    with pytest.raises(StackError, match="could not be arranged"):
        await run_stack(light, seed="demo", on_ready=on_ready, progress=events.append, sluice=sluice)
    assert events[-1].kind is StackEventKind.STOPPED
    assert not (light.state_dir / "seeded").exists()


async def test_a_mode_without_its_endpoint_is_refused_before_anything_starts(settings: Settings) -> None:
    settings.gke = GkeSettings.model_validate({"mode": "endpoint"})
    with pytest.raises(StackError, match="SLUICE_GKE__ENDPOINT"):
        async with up(settings):
            pass


async def test_a_state_directory_of_somebody_else_is_refused_before_anything_starts(
    light: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    light.state_dir.mkdir(mode=0o777)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(StackError, match=r"belongs to somebody else.*SLUICE_STATE_DIR"):
        async with up(light):
            pass
    assert list(light.state_dir.iterdir()) == []


async def test_nobody_else_may_write_in_the_state_directory(light: Settings) -> None:
    light.state_dir.mkdir()
    light.state_dir.chmod(0o777)
    async with up(light):
        assert light.state_dir.stat().st_mode & 0o022 == 0
