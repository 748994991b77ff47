"""The outside as the dispatcher meets it: a gateway that remembers and fails on demand, a webhook receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry import trace

from contracts.decision import DecisionResult, SignedDecision
from contracts.errors import SluiceError
from contracts.messages import ProposalInput, RequestInput
from contracts.progress import RequestProgress


@dataclass
class RecordingGateway:
    """Remembers what arrived. `fail` may return an error to raise for a call, by name and id."""

    fail: Callable[[str, str], SluiceError | None] = lambda _, __: None
    calls: list[tuple[str, str]] = field(default_factory=list)
    inputs: list[object] = field(default_factory=list)
    traces: list[int] = field(default_factory=list)
    hang: asyncio.Event | None = None

    async def _arrived(self, call: str, subject: str, given: object) -> None:
        if self.hang is not None:
            await self.hang.wait()
        error = self.fail(call, subject)
        if error is not None:
            raise error
        self.calls.append((call, subject))
        self.inputs.append(given)
        self.traces.append(trace.get_current_span().get_span_context().trace_id)

    async def start_request(self, start: RequestInput) -> None:
        await self._arrived("start_request", start.request.id, start)

    async def start_proposal(self, start: ProposalInput) -> None:
        await self._arrived("start_proposal", start.proposal_id, start)

    async def decide(self, signed: SignedDecision) -> DecisionResult:
        await self._arrived("decide", signed.decision.id, signed)
        return DecisionResult(decision_id=signed.decision.id, state="ready", approvals=1, quorum=1)

    async def wake(self, proposal_id: str) -> None:
        await self._arrived("wake", proposal_id, None)

    async def progress_of(self, request_id: str) -> RequestProgress:
        return RequestProgress()

    async def check(self) -> None:
        return None


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    """Path → statuses to answer with, one after the other; 200 when none is left."""
    silent_for: int = 0
    """So many of the first are never answered, and not recorded."""


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()

    async def take(request: web.Request) -> web.Response:
        if receiver.silent_for:
            receiver.silent_for -= 1
            await asyncio.Event().wait()
        headers = {name.lower(): value for name, value in request.headers.items()}
        receiver.received.append(Received(request.path, headers, await request.read()))
        answers = receiver.answers.get(request.path, [])
        status = answers.pop(0) if answers else 200
        return web.Response(status=status, headers={"location": "/elsewhere"} if status == 302 else {})

    application = web.Application()
    application.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}"
    yield receiver
    await runner.cleanup()


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, list[int]]]:
    """Yield the URL of a receiver that takes connections and never answers, and a list that has one entry for each."""
    asked: list[int] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(len(asked))
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with server:
        yield f"http://{host}:{port}/", asked
