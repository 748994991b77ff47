"""How long well-behaved callers wait while somebody else sends poison, beside somebody who sends as much of the good.

Rounds take turns: the same company at the same pace, once with ordinary requests and once with poison. It sends from a
process of its own, so that what it costs to send is not measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import httpx

from proofs.hostile.poison import CHAT, Poison, caller_at, everything
from proofs.hostile.wire import Answer, send
from proofs.report import say
from proofs.served_api import ServedApi

PACE = 0.05
"""Seconds between two calls of the company."""
OWN_PACE = 0.02
"""Seconds between two calls of the neighbour."""
ORDINARY = Poison(CHAT, "ordinary", b"POST", b"/v1/requests", b'{"text":"scale inference"}')
_SHARE = 0.95
_READY = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """The p95 of a neighbour's calls, in milliseconds, beside each company."""

    ordinary: float
    poison: float
    ended: int
    """Calls of the company that came to an end, of the half with fewer: beside none, nothing is measured."""

    @property
    def ratio(self) -> float:
        """How much longer beside poison."""
        return self.poison / self.ordinary


async def rounds(api: ServedApi, count: int, seconds: float) -> list[Round]:
    """Measure, the order of each pair turned round."""
    found = []
    with _company(api) as company:
        for number in range(-1, count):  # the first warms up
            order = (True, False) if number % 2 else (False, True)
            measured, ended = {}, []
            for with_poison in order:
                company.send((with_poison, seconds))
                measured[with_poison] = await _neighbour(api, seconds)
                ended.append(await asyncio.to_thread(company.recv))
            if number >= 0:
                found.append(Round(measured[False], measured[True], min(ended)))
                say(
                    f"round {number + 1}: p95 {found[-1].ordinary:.1f} ms, beside poison {found[-1].poison:.1f} ms"
                )
    return found


def growth(measured: list[Round]) -> float:
    """Return the median ratio of the rounds."""
    return statistics.median(one.ratio for one in measured)


async def _neighbour(api: ServedApi, seconds: float) -> float:
    times = []
    headers = api.headers("ben")
    async with httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False, timeout=30) as http:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            began = time.perf_counter()
            (await http.get(f"/v1/proposals/{api.known['proposal_id']}")).raise_for_status()
            times.append(1_000 * (time.perf_counter() - began))
            await asyncio.sleep(OWN_PACE)
    return sorted(times)[int(_SHARE * (len(times) - 1))]


@contextmanager
def _company(api: ServedApi) -> Iterator[Connection]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_keep, args=(api.url, api.tokens, theirs), daemon=True
    )
    process.start()
    # Ours alone is left: should the company die, nobody waits for its answer.
    theirs.close()
    try:
        if not ours.poll(_READY):
            raise RuntimeError("the company did not come")
        ours.recv()
        yield ours
    finally:
        with suppress(BrokenPipeError):
            ours.send(None)
        process.join(_READY)


def _keep(url: str, tokens: dict[str, str], orders: Connection) -> None:
    """Send what is ordered until nothing more is."""
    poison, at = everything(), 0
    orders.send("here")
    while (order := orders.recv()) is not None:
        with_poison, seconds = order
        at, ended = asyncio.run(send_for(seconds, url, tokens, poison if with_poison else [ORDINARY], at))
        orders.send(ended)


async def send_for(
    seconds: float, url: str, tokens: dict[str, str], calls: list[Poison], at: int
) -> tuple[int, int]:
    """Send calls from number `at` on; return the number to go on with, and how many came to an end."""
    ends, under_way = time.monotonic() + seconds, set[asyncio.Task[object]]()
    while time.monotonic() < ends:
        # Every seventh, so that a round meets all entrances.
        at += 7
        one = calls[at % len(calls)]
        under_way.add(asyncio.create_task(send(url, one, tokens[caller_at(one.entrance)])))
        await asyncio.sleep(PACE)
    came = await asyncio.gather(*under_way, return_exceptions=True)
    return at, sum(isinstance(one, Answer) for one in came)
