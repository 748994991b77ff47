"""How long does the inbox take with 10,000 waiting proposals, and what does it weigh? `make bench-inbox`.

Seeds the rows that guard passes and people would leave behind, then loads pages as a signed-in approver over a real
socket, one after the other on one connection. The API runs in a process of its own behind uvicorn, on a PostgreSQL
with durable settings. The time is the whole answer's, from the first byte sent to the last byte received: server time
and a little more. The weight is what the browser loads on its first visit, every script and style included, as the
server sends it to a browser that takes gzip.

Accepted: p95 of the first page below 200 ms, its weight below 150 KiB.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import httpx
from sqlalchemy import insert, text

from adapters.store.database import Database
from adapters.store.schema import decisions, evaluations, proposals
from benchmarks.postgres import OpenDatabase, fresh_database
from benchmarks.processes import served
from benchmarks.report import (
    Bar,
    Chart,
    Result,
    Spread,
    arguments,
    at_most,
    conclude,
    percentile,
    timed_at_most,
    told,
)
from contracts.action import ResizeNodePool
from contracts.base import new_id, utc_now
from contracts.evaluation import RiskTier
from contracts.observation import SizesPrecondition
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Proposal, ProposalState
from tests.adapters.store.samples import draft_of, fresh_proposal
from tests.api.serving import Api, observation
from tests.contracts.samples import AGENT, ANA
from tests.inbox_samples import judged

WAITING = 10_000
"""Half as many are decided."""
BATCH = 500
LOADS = 100
"""Of each page, after ten that are not counted."""
WARM_UP = 10
ACCEPTED_MS = 200.0
ACCEPTED_BYTES = 150 * 1024
PAGES = {
    "first page, mine": "/",
    "first page, all": "/?tab=all",
    "decided": "/?tab=decided",
    "filtered": "/?tab=all&environment=development&risk=low",
    "search, found": "/?tab=all&q=pool-77",
    "search, nothing": "/?tab=all&q=no-such-pool",
    "refresh of 50 lines": "refresh",
}
_POOLS = ("inference", "reranker", "embeddings", "batch", "ci-runners", "frontend", "search", "training")
_PLACES = (
    ("acme-prod", "europe-west4", "serving", "production", "inference"),
    ("acme-prod", "us-central1", "serving", "production", "search"),
    ("acme-dev", "us-central1", "dev", "development", "platform"),
)
_FIRST = PAGES["first page, mine"]


# Rows


def rows_of(place: int, state: ProposalState) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]:
    """Return the row of a proposal, of its evaluation, and of a vote where one was cast."""
    made = _proposal(place)
    found = judged(made, quorum=1 + place % 2, monthly=f"{(place % 90) * 97}.40")
    decided = state is not ProposalState.AWAITING_APPROVAL
    proposal = {
        "id": made.id,
        "tenant": made.tenant,
        "revision": 1,
        "state": state.value,
        "reason_code": "environment_requires_approval",
        "message": f"Changes in {made.environment} need one person to approve.",
        "draft": draft_of(made).model_dump(mode="json"),
        "document": made.model_dump(mode="json"),
        "digest": made.digest,
        "target_key": made.action.target.key,
        "action_kind": made.action.kind,
        "environment": made.environment,
        "team": made.team,
        "requester": made.requester.key,
        "priority": made.priority,
        "risk": list(RiskTier)[place % 3].value,
        "decide_by": made.decide_by,
        "execute_by": made.execute_by,
        "dry_run": False,
        "created_at": made.created_at,
        "state_since": made.created_at + timedelta(minutes=5),
        "closed_at": made.created_at + timedelta(minutes=5) if decided else None,
    }
    evaluation = {
        "proposal_id": made.id,
        "revision": 1,
        "pass_number": 1,
        "outcome": found.outcome.value,
        "digest": found.digest,
        "document": found.model_dump(mode="json"),
        "result": {},
    }
    return proposal, evaluation, _vote(made, place) if decided or place % 5 == 0 else None


def _proposal(place: int) -> Proposal:
    project, location, cluster, environment, team = _PLACES[place % len(_PLACES)]
    now = utc_now()
    action = ResizeNodePool(
        project=project,
        location=location,
        cluster=cluster,
        node_pool=f"{_POOLS[place % len(_POOLS)]}-pool-{place % 100}",
        node_count=2 + place % 7,
    )
    asked = Principal(kind=PrincipalKind.HUMAN, subject=f"person-{place % 40}", roles=(Role.REQUESTER,))
    seen = observation(now, (2, 2, 2))
    return fresh_proposal(
        action=action,
        authors=(asked, AGENT) if place % 3 else (ANA,),
        environment=environment,
        team=team,
        reason="The queue of this pool has grown for twenty minutes, and the oldest job waits for nine.",
        observation=seen,
        precondition=SizesPrecondition(machine_type=seen.machine_type, target_sizes=seen.target_sizes),
        created_at=now - timedelta(minutes=place % 200),
        decide_by=now + timedelta(hours=2, seconds=place),
        execute_by=now + timedelta(hours=3, seconds=place),
    )


def _vote(made: Proposal, place: int) -> dict[str, Any]:
    return {
        "id": new_id("dec"),
        "proposal_id": made.id,
        "revision": 1,
        "kind": "reject" if place % 4 == 0 else "approve",
        "reviewer": f"local/reviewer-{place % 12}",
        "document": {},
        "status": "applied",
    }


async def seed(database: Database, waiting: int = WAITING) -> None:
    """Insert everything, and let the planner know."""
    final = (ProposalState.SUCCEEDED, ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.DENIED)
    states = [ProposalState.AWAITING_APPROVAL] * waiting
    states += [final[place % len(final)] for place in range(waiting // 2)]
    made = (rows_of(place, state) for place, state in enumerate(states))
    for batch in _batches(made):
        async with database.transaction() as connection:
            await connection.execute(insert(proposals), [one for one, _, _ in batch])
            await connection.execute(insert(evaluations), [one for _, one, _ in batch])
            votes = [vote for _, _, vote in batch if vote is not None]
            if votes:
                await connection.execute(insert(decisions), votes)
    async with database.transaction() as connection:
        await connection.execute(text("ANALYZE"))


def _batches(made: Iterator[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for one in made:
        batch.append(one)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@asynccontextmanager
async def seeded(api: Api, waiting: int) -> AsyncIterator[dict[str, str]]:
    """Insert everything, and yield the cookie of an approver. Runs in the API's process."""
    await seed(api.database, waiting)
    yield {api.parts.web.cookie_name: await api.open_session("ben")}


# Loads


@dataclass(frozen=True)
class Loaded:
    """One page: milliseconds of each load, and bytes as they came over the socket."""

    name: str
    latencies: list[float]
    size: int


async def measure(
    waiting: int = WAITING,
    loads: int = LOADS,
    warm_up: int = WARM_UP,
    database: OpenDatabase = fresh_database,
) -> tuple[list[Loaded], dict[str, int]]:
    """Return every page, and the weight of the first by file."""
    async with (
        database() as url,
        served(url, seeded, waiting) as (address, cookies),
        httpx.AsyncClient(
            base_url=address,
            cookies=cookies,
            headers={"Accept-Encoding": "gzip"},
            timeout=180,
            trust_env=False,
        ) as client,
    ):
        refresh = await _refresh_of(client)
        pages = [
            await _load(client, name, refresh if path == "refresh" else path, loads, warm_up)
            for name, path in PAGES.items()
        ]
        return pages, await _weigh(client)


async def _refresh_of(client: httpx.AsyncClient) -> str:
    page = (await client.get(_FIRST)).raise_for_status().text
    found = re.search(r'hx-get="(/inbox/list[^"]+)"[^>]*hx-trigger="sluice:changed"', page)
    if found is None:
        raise RuntimeError("the list does not say how it refreshes")
    return found.group(1).replace("&amp;", "&")


async def _load(client: httpx.AsyncClient, name: str, path: str, loads: int, warm_up: int) -> Loaded:
    latencies, size = [], 0
    for number in range(warm_up + loads):
        began = time.perf_counter()
        answer = await client.get(path)
        took = 1_000 * (time.perf_counter() - began)
        answer.raise_for_status()
        size = answer.num_bytes_downloaded
        if number >= warm_up:
            latencies.append(took)
    return Loaded(name, latencies, size)


async def _weigh(client: httpx.AsyncClient) -> dict[str, int]:
    """Load the first page with every file it needs, scripts that scripts import included."""
    page = (await client.get(_FIRST)).raise_for_status()
    weight = {_FIRST: page.num_bytes_downloaded}
    wanted = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text)
    while wanted:
        path = wanted.pop()
        if path in weight:
            continue
        answer = (await client.get(path)).raise_for_status()
        weight[path] = answer.num_bytes_downloaded
        if path.endswith(".js"):
            wanted += [
                urljoin(path, one) for one in re.findall(r'(?:from|import)\s*"(\./[^"]+)"', answer.text)
            ]
    return weight


def report(pages: Sequence[Loaded], weight: dict[str, int]) -> str:
    """Return every page, and the weight of every file."""
    lines = [f"{'page':<22} {'p50 ms':>8} {'p95 ms':>8} {'max ms':>8} {'KiB sent':>8}"]
    for page in pages:
        p50, p95 = percentile(page.latencies, 0.5), percentile(page.latencies, 0.95)
        lines.append(
            f"{page.name:<22} {p50:>8.1f} {p95:>8.1f} {max(page.latencies):>8.1f} {page.size / 1024:>8.1f}"
        )
    lines += [
        f"{size / 1024:>8.1f} KiB  {path}" for path, size in sorted(weight.items(), key=lambda one: -one[1])
    ]
    return "\n".join(lines)


def main() -> int:
    """Run from the command line."""
    parser = arguments(__doc__, quick="a twentieth of the proposals, five loads")
    given = parser.parse_args()
    waiting, loads = (WAITING // 20, 5) if given.quick else (WAITING, LOADS)
    began = time.monotonic()
    pages, weight = asyncio.run(measure(waiting, loads))
    print(report(pages, weight))
    again = "python -m benchmarks.inbox" + (" --quick" if given.quick else "")
    return conclude(result(waiting, pages, weight, again, time.monotonic() - began), given)


def result(
    waiting: int, pages: Sequence[Loaded], weight: dict[str, int], again: str, seconds: float
) -> Result:
    """Return what is published."""
    bars = [Bar(page.name, Spread.of([percentile(page.latencies, 0.95)])) for page in pages]
    kinds = sorted({path.rpartition(".")[2] if "." in path else "page" for path in weight})
    sent = [
        Bar(kind, Spread.of([sum(size for path, size in weight.items() if _is(kind, path)) / 1024]))
        for kind in kinds
    ]
    return Result(
        promise=f"How long does the inbox take with {waiting:,} waiting proposals, and what does it weigh?",
        figures=(
            timed_at_most("first page: p95", percentile(pages[0].latencies, 0.95), ACCEPTED_MS, " ms"),
            at_most("first visit: KiB sent", sum(weight.values()) / 1024, ACCEPTED_BYTES / 1024, " KiB"),
            *(told(f"{page.name}: p95", f"{percentile(page.latencies, 0.95):.0f} ms") for page in pages[1:]),
        ),
        again=again,
        seconds=seconds,
        charts=(
            Chart("pages", "Time of a page, p95, stay below", "ms", bars, ACCEPTED_MS),
            Chart("weight", "A first visit, as it is sent", "KiB", sent),
        ),
        notes=(
            f"{len(pages[0].latencies)} loads of each page, one after the other on one connection, from the API in a "
            "process of its own; half as many proposals as wait are decided. The first page is that of an approver who "
            "has signed in.",
        ),
    )


def _is(kind: str, path: str) -> bool:
    return path.endswith(f".{kind}") or (kind == "page" and "." not in path)


if __name__ == "__main__":
    sys.exit(main())
