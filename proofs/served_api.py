"""The API on a socket, in a process of its own, on a PostgreSQL of its own: what proofs of its entrances call.

No workflow runs behind it: a gateway notes what it is asked, so that everything which is answered was decided by the
API and the database alone. A few things are there to be named: proposals, a request, a halt, a grant; and a freeze.

    python -m proofs.served_api postgresql+asyncpg://… DIRECTORY    prints where it is and who may call, then serves
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from adapters.live_configuration import LiveConfiguration
from adapters.store import tokens
from adapters.telemetry.logging import install_logging
from api.server import server_for
from benchmarks.postgres import fresh_database
from contracts.base import utc_now
from contracts.ports import PoliciesInForce
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from local.bound import bound_command
from proofs.report import say
from settings import TelemetrySettings
from tests.api.serving import CONFIGURATION, RESIZE, Api, serving
from tests.e2e import processes

ROOT = Path(__file__).resolve().parent.parent
_STARTS_WITHIN = 150.0
_STOPS_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class ServedApi:
    """A running API."""

    url: str
    tokens: dict[str, str]
    """Who may call, by name: one per role, an agent, a service, and somebody without a role."""
    known: dict[str, str]
    """Things that exist, by the name of the path parameter that names them."""
    database_url: str
    log: Path
    """What the process wrote."""

    def headers(self, by: str) -> dict[str, str]:
        """Return the headers of somebody's calls; of nobody, none."""
        return {"Authorization": f"Bearer {self.tokens[by]}"} if by in self.tokens else {}


@asynccontextmanager
async def served_api(directory: Path) -> AsyncIterator[ServedApi]:
    """Start PostgreSQL and the API, which writes its log in `directory`; stop both at the end."""
    log = directory / "api.log"
    async with fresh_database() as database_url:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *bound_command([sys.executable, "-m", "proofs.served_api", database_url, str(directory)]),
                stdout=asyncio.subprocess.PIPE, stderr=output, cwd=ROOT,
            )  # fmt: skip
        try:
            yield await _begun(process, database_url, log)
        finally:
            await processes.end(process, _STOPS_WITHIN)


async def _begun(process: asyncio.subprocess.Process, database_url: str, log: Path) -> ServedApi:
    if process.stdout is None:
        raise RuntimeError("the API has no output")
    line = await asyncio.wait_for(process.stdout.readline(), _STARTS_WITHIN)
    if not line:
        written = await asyncio.to_thread(log.read_text, errors="replace")
        raise RuntimeError(f"the API did not start:\n{written[-4_000:]}")
    return ServedApi(**json.loads(line), database_url=database_url, log=log)


class _Policies:
    """Nothing is in force: OPA is no part of what is called here."""

    async def in_force(self) -> PoliciesInForce:
        return PoliciesInForce(revision=None, policies=())


def _configured(directory: Path) -> Path:
    """Write the configuration of the API's own tests, with a freeze to override, and return where."""
    file, now = directory / "sluice.yaml", utc_now()
    freeze = {
        "name": "proof", "kind": "freeze", "scope": {"everything": True}, "time_zone": "UTC",
        "starts_at": (now - timedelta(hours=1)).isoformat(), "ends_at": (now + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    document = CONFIGURATION.model_dump(mode="json", exclude_unset=True)
    file.write_text(yaml.safe_dump(document | {"windows": [freeze]}))
    return file


async def _serve(database_url: str, directory: str) -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1_024)  # who connects before the server runs waits for it
    live = LiveConfiguration(_configured(Path(directory)), "api")
    async with serving(database_url, policies=_Policies(), live=live, configuration=live.current) as api:
        async with api.database.transaction() as connection:
            admin = Principal(kind=PrincipalKind.HUMAN, subject="ada", roles=(Role.ADMIN,))
            requester = Principal(kind=PrincipalKind.HUMAN, subject="rita", roles=(Role.REQUESTER,))
            api.tokens["ada"] = await tokens.issue(connection, admin, actor=SYSTEM, tenant="default")
            bell = Principal(kind=PrincipalKind.SERVICE, subject="bell", roles=(Role.REQUESTER,))
            api.tokens["bell"] = await tokens.issue(connection, bell, actor=SYSTEM, tenant="default")
            api.tokens["rita"] = await tokens.issue(connection, requester, actor=SYSTEM, tenant="default")
        host, port = listening.getsockname()
        known = await _things(api)
        say(json.dumps({"url": f"http://{host}:{port}", "tokens": api.tokens, "known": known}))
        await server_for(api.app, host, port).serve(sockets=[listening])


async def _things(api: Api) -> dict[str, str]:
    waiting = await api.waiting()
    asked = (await api.post("/v1/requests", {"text": "scale inference"}, by="ana")).json()
    halt = await api.post(
        "/v1/halts", {"scope": {"environment": "development"}, "reason": "a proof"}, by="olga"
    )
    grant: dict[str, Any] = {"scope": {"environment": "production"}, "gates": ["change_window"]}
    opened = await api.post("/v1/break-glass", grant | {"reason": "a proof", "minutes": 30}, by="olga")
    run = await api.post("/v1/audit/verifications", {}, by="vera")
    until = (await api.get("/v1/break-glass")).json()
    found = {
        "proposal_id": waiting["id"],
        "request_id": asked["request_id"],
        "conversation_id": asked["conversation_id"],
        "halt_id": halt.json().get("id"),
        "grant_id": opened.json().get("id"),
        "verification_id": run.json().get("id"),
        "breaker_id": f"target:gke.node_pool/{RESIZE['project']}/europe-west4/serving/inference",
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise RuntimeError(f"could not make {missing}: {halt.text} {opened.text} {run.text} {until}")
    return found


if __name__ == "__main__":
    install_logging(TelemetrySettings())
    asyncio.run(_serve(*sys.argv[1:]))
