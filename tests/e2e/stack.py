"""The whole stack as people run it, `sluice up -o json`, with the emulator beside it: nothing here is in-process.

A test speaks HTTP under the local identities, kills parts by pid, and judges by the emulator's own log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from adapters.store.database import Database
from contracts.messages import proposal_workflow_id
from emulators.gke.client import EmulatorAdmin
from emulators.gke.log import Calls
from local.bound import bound_command
from local.environment import ROOT, foreign_environment, module_command
from local.postgres import server_in
from local.probes import PLAIN
from local.stack import DATABASE
from tests.e2e import processes
from tests.e2e.practice_ground import DEVELOPMENT, Environment, Ground, Place
from tests.gke_fixtures import EmulatorProcess
from tests.waiting import WITHIN
from tests.waiting import eventually as eventually

CALL_TIMEOUT = 2.0
"""Seconds of one mutating call. Its deadline is ten seconds later (`EffectTimings.call_margin`)."""
START_WITHIN = 120
_SETTINGS = {
    "SLUICE_HTTP__PORT": "0",
    "SLUICE_GKE__MODE": "practice",
    "SLUICE_GKE__POLL_INTERVAL": "PT0.2S",
    "SLUICE_GKE__CALL_TIMEOUT": f"PT{CALL_TIMEOUT}S",
    "SLUICE_GKE__OPERATION_TIMEOUT": "PT60S",
    "SLUICE_TELEMETRY__LOG_FORMAT": "json",
}


@dataclass
class Stack:
    """A running stack. `people` are HTTP clients by local identity."""

    url: str
    state_dir: Path
    process: asyncio.subprocess.Process
    emulator: EmulatorProcess
    ground: Ground
    people: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    database_url: str = ""

    @property
    def admin(self) -> EmulatorAdmin:
        """Makes the provider go wrong."""
        return self.emulator.admin

    @property
    def tokens(self) -> dict[str, str]:
        """Local identity → token."""
        tokens: dict[str, str] = json.loads((self.state_dir / "tokens.json").read_text())
        return tokens

    def place(self, environment: Environment = DEVELOPMENT) -> Place:
        """A cluster that no other test uses."""
        return self.ground.take(environment)

    def ask_to_stop(self) -> None:
        """Send SIGTERM, and do not wait."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def meet(self, name: str, token: str, url: str | None = None) -> httpx.AsyncClient:
        """Let somebody speak to the API at `url`, by default the first one."""
        client = httpx.AsyncClient(
            base_url=url or self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=WITHIN,
            trust_env=False,
            verify=PLAIN,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.people[name] = client
        return client

    async def issue(self, subject: str, *roles: str) -> str:
        """Let `sluice tokens issue` make a token."""
        chosen = [argument for role in roles for argument in ("--role", str(role))]
        command = [*module_command("cli.main"), "tokens", "issue", subject, *chosen, "-o", "json"]
        pid = self.pid("api")
        assert pid is not None
        process = await asyncio.create_subprocess_exec(
            *command, env=processes.environment(pid), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, f"`sluice tokens issue` ended with {process.returncode}"
        return str(json.loads(said)["token"])

    # What people do

    async def propose(self, action: Mapping[str, Any], by: str = "requester") -> str:
        """Propose and return the id."""
        body = {"action": action, "reason": "the queue grows"}
        answer = await self.people[by].post("/v1/proposals", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["proposal_id"])

    async def show(self, proposal_id: str, by: str = "viewer") -> dict[str, Any]:
        """What `GET /v1/proposals/{id}` says."""
        answer = await self.people[by].get(f"/v1/proposals/{proposal_id}")
        answer.raise_for_status()
        shown: dict[str, Any] = answer.json()
        return shown

    async def until(self, proposal_id: str, *states: str, limit: float = 2 * WITHIN) -> dict[str, Any]:
        """Follow until it is in one of the states; fail at once when it ended in another."""
        shown: dict[str, Any] = {}

        async def there() -> bool:
            shown.update(await self.show(proposal_id))
            return shown["state"] in states or shown["is_final"]

        try:
            await eventually(there, limit=limit, pause=0.1)
        except TimeoutError as error:
            said = {name: shown.get(name) for name in ("state", "reason_code", "message", "held_on")}
            raise TimeoutError(f"{proposal_id} did not reach {states}: {said}") from error
        assert shown["state"] in states, json.dumps(shown, indent=1)
        return shown

    async def ballot(self, proposal_id: str, decision: str = "approve", **changes: Any) -> dict[str, Any]:
        """The body of a decision on what is shown now; `changes` replace parts of it."""
        shown = await self.show(proposal_id)
        body = {"decision": decision, "revision": shown["revision"], "digest": shown["digest"]}
        return body | {"reason": "looked at it"} | changes

    async def vote(self, proposal_id: str, ballot: Mapping[str, Any], by: str = "approver") -> httpx.Response:
        """Send a decision."""
        return await self.people[by].post(f"/v1/proposals/{proposal_id}/decisions", json=ballot)

    async def decide(
        self, proposal_id: str, decision: str = "approve", by: str = "approver", **changes: Any
    ) -> httpx.Response:
        """Look, then decide."""
        return await self.vote(proposal_id, await self.ballot(proposal_id, decision, **changes), by)

    async def approve(self, proposal_id: str, by: str = "approver") -> None:
        """Approve, once it waits."""
        await self.until(proposal_id, "awaiting_approval")
        answer = await self.decide(proposal_id, by=by)
        assert answer.status_code in (200, 202), answer.text

    async def budget(self, place: Place) -> tuple[float, float]:
        """What the team of the cluster has reserved and committed."""
        answer = await self.people["viewer"].get("/v1/budgets")
        [line] = [one for one in answer.json()["items"] if one["scope"] == f"team={place.name}"]
        return float(line["reserved"]), float(line["committed"])

    async def audit(self, subject: str) -> list[dict[str, Any]]:
        """The events about something, once they are numbered."""
        await self.people["viewer"].get("/v1/audit/checkpoint")
        wanted: dict[str, str | int] = {"subject": subject, "limit": 1000}
        answer = await self.people["viewer"].get("/v1/audit/events", params=wanted)
        answer.raise_for_status()
        return [one["event"] for one in answer.json()["items"]]

    async def export(self) -> bytes:
        """The whole audit log as a file."""
        answer = await self.people["viewer"].get("/v1/audit/export")
        answer.raise_for_status()
        return answer.content

    # What the provider says

    def calls(self, place: Place) -> Calls:
        """What the emulator served for a cluster, in its own words."""
        return Calls(call for call in self.emulator.calls() if call.target.startswith(place.cluster))

    def sizes_set(self, place: Place) -> list[int]:
        """Node counts of the accepted SetNodePoolSize calls of a cluster, in order."""
        return [call.request["node_count"] for call in self.calls(place).accepted("SetNodePoolSize")]

    # What happens to processes

    def pid(self, part: str) -> int | None:
        """The part's process, or None while there is none."""
        return processes.part_of(self.process.pid, part)

    async def end(self, part: str, number: signal.Signals) -> None:
        """End a part with a signal, and wait until it is gone; the supervisor will start it again."""
        pid = self.signal(part, number)

        async def is_gone() -> bool:
            return self.pid(part) != pid

        await eventually(is_gone, pause=0.01)

    def signal(self, part: str, number: signal.Signals) -> int:
        """Send a signal to a part; return its pid."""
        pid = self.pid(part)
        assert pid is not None, f"{part} does not run"
        os.kill(pid, number)
        return pid

    async def kill(self, part: str) -> None:
        """SIGKILL; the supervisor will start it again."""
        await self.end(part, signal.SIGKILL)

    async def back(self, part: str, limit: float = 2 * WITHIN) -> None:
        """Wait until the supervisor has the part running and ready again."""
        await eventually(lambda: self._is_ready(part), limit=limit, pause=0.1)

    async def restart(self, part: str) -> None:
        """SIGKILL, and wait until the supervisor has brought it back."""
        await self.kill(part)
        await self.back(part)

    @contextmanager
    def frozen(self, part: str) -> Iterator[None]:
        """Stop a part from answering, as if its machine hung."""
        pid = self.signal(part, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _is_ready(self, part: str) -> bool:
        if self.pid(part) is None:
            return False
        if part == "worker":
            return (self.state_dir / "worker.ready").exists()
        answer = await self.people["viewer"].get("/readyz")
        checks = answer.json()["checks"]
        named = {"postgres": "database", "temporal": "temporal", "opa": "opa"}
        return answer.status_code == 200 if part == "api" else bool(checks[named[part]]["ok"])

    @asynccontextmanager
    async def beside(
        self, part: str, **changes: str
    ) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
        """Run a second worker or API like the first, with changed settings; yield process and URL."""
        pid = self.pid(part)
        assert pid is not None, f"{part} does not run"
        port, ready = str(processes.free_port()), self.state_dir / f"{part}-beside.ready"
        ready.unlink(missing_ok=True)
        own = {"SLUICE_HTTP__PORT": port, "SLUICE_READY_FILE": str(ready)}
        environment = processes.environment(pid) | own | changes
        log = (self.state_dir / "logs" / f"{part}-beside.log").open("ab")
        with log:
            process = await asyncio.create_subprocess_exec(
                *bound_command(processes.arguments(pid)), env=environment, stdout=log, stderr=log
            )
        url = f"http://127.0.0.1:{port}"

        async def is_ready() -> bool:
            assert process.returncode is None, f"the second {part} ended"
            return ready.exists() if part == "worker" else await _is_ok(f"{url}/readyz")

        try:
            await eventually(is_ready, limit=START_WITHIN)
            yield process, url
        finally:
            await processes.end(process)

    # Behind the API

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The database, as its owner."""
        database = Database(self.database_url, pool_size=2)
        yield database
        await database.close()

    async def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """What a query finds."""
        async with self.database() as database, database.reading() as connection:
            return (await connection.execute(text(statement), values)).all()

    async def temporal(self) -> Client:
        """What anybody who reaches Temporal has."""
        address = f"127.0.0.1:{json.loads((self.state_dir / 'ports.json').read_text())['temporal']}"
        return await Client.connect(address, data_converter=pydantic_data_converter)

    async def workflow(self, proposal_id: str) -> Any:
        """The proposal's workflow, past the API."""
        return (await self.temporal()).get_workflow_handle(proposal_workflow_id(proposal_id))


@dataclass(frozen=True)
class Programs:
    """Where the programs are that the stack must not look for again."""

    temporal: Path
    opa: Path


@asynccontextmanager
async def running_stack(
    directory: Path,
    programs: Programs,
    ground: Ground,
    between: Callable[[EmulatorProcess], Awaitable[Mapping[str, str]]] | None = None,
    /,
    *,
    command: str = "cli.main",
    **changes: str,
) -> AsyncIterator[Stack]:
    """Run the emulator and `sluice up` in `directory`; `changes` are settings by their variable's name.

    `command` is the module that is run as `sluice`. `between` puts something before the emulator, and returns settings.
    """
    fleet, configuration = ground.write(directory)
    emulator = EmulatorProcess(directory / "gke.jsonl", fleet=str(fleet), state_path=directory / "gke.json")
    await emulator.start()
    settings = _SETTINGS | {
        "SLUICE_STATE_DIR": str(directory / "state"),
        "SLUICE_CONFIG": str(configuration),
        "SLUICE_GKE__ENDPOINT": emulator.address,
        "SLUICE_GKE__COMPUTE_ENDPOINT": emulator.compute_url,
        "SLUICE_PROGRAMS__TEMPORAL": str(programs.temporal),
        "SLUICE_PROGRAMS__OPA": str(programs.opa),
    }
    if between is not None:
        settings |= await between(emulator)
    with (directory / "up.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *bound_command([*module_command(command), "up", "--seed", "none", "-o", "json"]),
            env={**foreign_environment(), "PYTHONPATH": str(ROOT), **settings, **changes},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        stack = await _ready(process, emulator, ground, changes.get("SLUICE_DATABASE__URL"))
        yield stack
        for client in stack.people.values():
            await client.aclose()
    finally:
        await processes.end(process)
        await emulator.stop()


async def _ready(
    process: asyncio.subprocess.Process, emulator: EmulatorProcess, ground: Ground, database_url: str | None
) -> Stack:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), START_WITHIN)
    assert line, f"the stack did not start, see {emulator.log_path.with_name('up.log')}"
    told = json.loads(line)
    state = Path(told["state_dir"])
    url = database_url or server_in(state / "postgres").url(DATABASE)
    stack = Stack(told["url"], state, process, emulator, ground, database_url=url)
    for name, token in stack.tokens.items():
        stack.meet(name, token)
    return stack


async def _is_ok(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, verify=PLAIN) as client:
        return (await client.get(url)).status_code == 200
