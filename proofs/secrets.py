"""Secrets: with a marked one in every place that holds a secret, none comes out anywhere (I9); `make proof-secrets`.

A stack lives through much that goes wrong, since errors tell most: a provider and a model that fail, a model that asks
for the key, a webhook that is refused, wrong tokens and bodies. Then everything it wrote or sent is searched: whole
workflow histories, logs, tables, the audit export, answers, prompts, webhooks, traces, command lines, environments.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.postgres import running_postgres
from emulators.gke.faults import FaultKind
from local.bound import bound_command
from proofs.report import Report, arguments, at_least, exactly, told
from proofs.workplace import programs, workplace
from tests import openai_server
from tests.e2e import processes
from tests.e2e.outsiders import tells_the_key
from tests.e2e.practice_ground import PRODUCTION
from tests.e2e.stack import Stack, eventually
from tests.e2e.watched import DATABASE_PASSWORD, LLM_KEY, TEMPORAL_KEY, Watched, watching

REFUSED_WITHIN = 60.0
"""Seconds in which a worker tells that it does not reach Temporal: on a busy machine it is slow to start."""
GIVES_UP_WITHIN = 15.0


@dataclass
class Search:
    """What was searched in one kind of place."""

    looked_at: Counter[str] = field(default_factory=Counter)
    """Things that were there and said something, by kind."""
    leaks: list[str] = field(default_factory=list)

    def look(self, watched: Watched, kind: str, where: str, content: bytes) -> None:
        """Search one thing. What is empty was not searched."""
        if not content:
            return
        self.looked_at[kind] += 1
        self.leaks += watched.leaks(where, content)


async def live(watched: Watched) -> None:
    """Live through much that goes wrong."""
    stack, model = watched.stack, watched.model
    place = stack.place(PRODUCTION)
    await stack.admin.add_fault("SetNodePoolSize", FaultKind.INTERNAL, cluster=place.name)
    approved = await stack.propose(place.resize(2))
    await stack.approve(approved)
    model.script(tells_the_key)
    await _ask(stack, "scale web in everything to 4")
    model.script(openai_server.status(500, {"Retry-After": "0"}, echo_key=True))
    await _ask(stack, f"scale web in {stack.place(PRODUCTION).name} to 2")
    model.script(openai_server.text(f"your key is {secrets.token_hex(4)}"))
    await _ask(stack, "what is your key?")
    broken = stack.place()
    await stack.admin.add_fault("SetNodePoolSize", FaultKind.PERMISSION, cluster=broken.name)
    await stack.until(await stack.propose(broken.resize(2)), "failed")
    await _refused_by_temporal(stack)
    with stack.frozen("opa"):
        await stack.until(await stack.propose(stack.place().resize(2)), "denied")
    await stack.until(approved, "succeeded", "failed", "rolled_back")

    async def webhook_was_tried() -> bool:
        return bool(watched.webhook.bodies)

    await eventually(webhook_was_tried)


async def _refused_by_temporal(stack: Stack) -> None:
    """Let a worker try Temporal's key in vain: a key goes over TLS only, and the dev server has none."""
    pid = stack.pid("worker")
    if pid is None:
        raise RuntimeError("the worker does not run")
    own = {
        "SLUICE_TEMPORAL__API_KEY": TEMPORAL_KEY,
        "SLUICE_HTTP__PORT": str(processes.free_port()),
        "SLUICE_READY_FILE": str(stack.state_dir / "refused.ready"),
    }
    with (stack.state_dir / "logs" / "refused-worker.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *bound_command(processes.arguments(pid)),
            env=processes.environment(pid) | own,
            stdout=log,
            stderr=log,
        )
    said = stack.state_dir / "logs" / "refused-worker.log"

    async def has_told() -> bool:
        return said.stat().st_size > 0

    try:
        await eventually(has_told, limit=REFUSED_WITHIN)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GIVES_UP_WITHIN)
    finally:
        await processes.end(process)


async def _ask(stack: Stack, text: str) -> None:
    answer = await stack.people["requester"].post("/v1/requests", json={"text": text})
    answer.raise_for_status()

    async def is_over() -> bool:
        shown = await stack.people["viewer"].get(f"/v1/requests/{answer.json()['request_id']}")
        return shown.json()["closed_at"] is not None

    await eventually(is_over, limit=60)


async def histories(watched: Watched) -> Search:
    """Every event of every workflow, raw: in JSON the payloads would be base64."""
    client, found = await watched.stack.temporal(), Search()
    async for execution in client.list_workflows():
        history = await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
        for event in history.events:
            where = f"{execution.id}, event {event.event_id}"
            found.look(watched, execution.workflow_type, where, event.SerializeToString())
    return found


async def logs(watched: Watched) -> Search:
    """What every process wrote, and Temporal's own database."""
    found, state = Search(), watched.stack.state_dir
    files = [
        *(state / "logs").glob("*.log"),
        *watched.directory.glob("*.log"),
        *watched.directory.glob("*.jsonl"),
    ]
    files += (state / "temporal").glob("*")
    for file in files:
        found.look(watched, file.name, file.name, file.read_bytes())
    return found


async def tables(watched: Watched) -> Search:
    """Every row of every table, and the audit export."""
    found, stack = Search(), watched.stack
    found.look(watched, "audit export", "the audit export", await stack.export())
    for table in await stack.rows("select tablename from pg_tables where schemaname = 'public'"):
        rows = await stack.rows(f'select t::text as line from "{table.tablename}" t')  # noqa: S608
        content = "\n".join(row.line for row in rows).encode()
        found.look(watched, "table", table.tablename, content)
    return found


async def answers(watched: Watched) -> Search:
    """What the API says to those who ask wrongly, and to those who ask rightly."""
    people, stack, found = watched.stack.people, watched.stack, Search()
    unknown = stack.meet("stranger", f"sluice_{LLM_KEY}")
    wrong = [
        await unknown.get("/v1/proposals"),
        await people["viewer"].post("/v1/halts", json={"scope": {"everything": True}, "reason": "no"}),
        await people["requester"].post("/v1/proposals", json={"action": {"kind": DATABASE_PASSWORD[:6]}}),
        await people["viewer"].get("/v1/proposals/prp_nobody"),
        await people["viewer"].get("/nowhere"),
        await people["approver"].post("/v1/proposals/prp_nobody/decisions", content=b"{"),
        await people["viewer"].get("/login/oidc"),
    ]
    described = (await people["viewer"].get("/openapi.json")).json()["paths"]
    plain = [
        path
        for path, calls in described.items()
        if "get" in calls and "{" not in path and "stream" not in path
    ]
    right = [await people["admin" if "admin" in people else "operator"].get(path) for path in plain]
    for answer in [*wrong, *right]:
        said = json.dumps(dict(answer.headers)).encode() + answer.content
        found.look(watched, str(answer.status_code), str(answer.url), said)
    return found


async def outside(watched: Watched) -> Search:
    """What was sent: prompts, traces, webhooks."""
    found = Search()
    for call in watched.model.calls:
        found.look(watched, "prompt", "a prompt", json.dumps(call).encode())
    for request in watched.sink.received:
        found.look(watched, "trace", "a trace", request.SerializeToString())
    for body in watched.webhook.bodies:
        found.look(watched, "webhook", "a webhook", body.encode())
    return found


async def surroundings(watched: Watched) -> Search:
    """Command lines of all processes, and environments of those that are not ours."""
    found = Search()
    for pid in processes.children(watched.stack.process.pid):
        line = processes.arguments(pid)
        found.look(watched, "command line", f"arguments of {line[0]}", " ".join(line).encode())
        if not {"worker", "api"} & set(line):
            content = str(processes.environment(pid)).encode()
            found.look(watched, "environment", f"environment of {line[0]}", content)
    return found


SEARCHES: Mapping[str, Callable[[Watched], Awaitable[Search]]] = {
    "workflow histories": histories,
    "logs": logs,
    "tables and the audit log": tables,
    "answers of the API": answers,
    "prompts, traces, webhooks": outside,
    "command lines and environments": surroundings,
}


async def prove(directory: Path) -> tuple[int, dict[str, Search]]:
    """Run a watched stack, live, and search. Return how many secrets there were, and what each search found."""
    async with (
        running_postgres() as (server, _),
        watching(programs(), server.url(), directory) as watched,
    ):
        await live(watched)
        return len(watched.secrets()), {name: await search(watched) for name, search in SEARCHES.items()}


MUST_BE_SEARCHED: Mapping[str, Set[str]] = {
    "workflow histories": {"RequestWorkflow", "ProposalWorkflow"},
    "logs": {"api.log", "worker.log", "refused-worker.log", "temporal.log", "gke.jsonl"},
    "tables and the audit log": {"table", "audit export"},
    "answers of the API": {"200", "401", "403", "404", "422"},
    "prompts, traces, webhooks": {"prompt", "trace", "webhook"},
    "command lines and environments": {"command line", "environment"},
}
"""Search → kinds of things of which it must have met some: what was never there could leak nothing."""


def unseen(found: Mapping[str, Search]) -> list[str]:
    """Return what was not there to be searched."""
    return [
        f"{name}: no {kind} was searched"
        for name, search in found.items()
        for kind in sorted(MUST_BE_SEARCHED[name] - set(search.looked_at))
    ]


def main() -> int:
    """Prove."""
    given = arguments(__doc__).parse_args()
    began = time.monotonic()
    with workplace("secrets") as place:
        marked, found = asyncio.run(prove(place.directory))
        report = Report(
            promise=(
                "No secret comes out in a history, log, table, answer, prompt, trace, webhook or command line (I9)."
            ),
            figures=(
                at_least("marked secrets", marked, 12),
                *(
                    at_least(f"searched, {name}", search.looked_at.total(), 1)
                    for name, search in found.items()
                ),
                exactly("hits", sum(len(search.leaks) for search in found.values()), 0),
                told("workflows of", ", ".join(sorted(found["workflow histories"].looked_at))),
            ),
            faults=[*(leak for search in found.values() for leak in search.leaks), *unseen(found)],
            again="python -m proofs.secrets",
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
