"""People and programs that use the API: they propose, decide, edit, cancel, halt, and ask again when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.engine import Row

from adapters.store import halts
from adapters.store.schema import proposals
from api.idempotency import Claim
from api.parts import ApiParts
from api.problems import Problem
from api.proposals import closing, decisions, revising, service
from api.proposals.schemas import DecideBody, ProposeBody, ReviseBody
from api.safety import service as safety
from api.safety.schemas import HaltBody
from contracts.action import ResizeNodePool
from contracts.decision import Decision, DecisionKind, SignedDecision
from contracts.errors import DecisionNotAccepted
from contracts.principal import Principal
from contracts.proposal import ProposalState
from contracts.request import Channel
from contracts.safety import HaltScope, HaltStatus
from contracts.signature import key_id_of, sign
from proofs.simulation.ground import FORGED, OLGA
from proofs.simulation.temporal import SimulatedTemporal
from proofs.simulation.world import Actor, Crash, World, current_actor

_T = TypeVar("_T")
TRIES = 4
LONGEST_DRAIN = 100
"""Looks at a halt that drains."""
_OPEN = (ProposalState.EVALUATING, ProposalState.AWAITING_APPROVAL)


def run_as(actor: Actor, work: Callable[[], Coroutine[Any, Any, _T]]) -> asyncio.Task[_T]:
    """Run something as this actor; all that it starts is the same process."""
    context = copy_context()
    context.run(current_actor.set, actor)
    return asyncio.create_task(work(), context=context)


@dataclass
class People:
    """Everybody outside, in one seed."""

    world: World
    parts: ApiParts
    temporal: SimulatedTemporal
    cluster: str
    told: dict[str, str] = field(default_factory=dict)
    """Idempotency key → the proposal, or the decision on one, that a 2xx named, heard or not."""
    contradictions: list[str] = field(default_factory=list)
    """Answers that do not agree with each other."""
    _calls: int = 0

    async def propose(self, who: Principal, action: ResizeNodePool) -> str | None:
        """Ask for a change until it is acknowledged; return the proposal's id, or None when nobody answered."""
        body = ProposeBody(action=action, reason="the simulation asks")
        claim = self._claim(who)
        answer = await self._call(
            f"propose by {who.subject}",
            lambda: service.propose(self.parts, body, who, Channel.API, claim),
            lambda answer: self._acknowledged(claim, answer.body["proposal_id"]),
        )
        return None if answer is None else str(answer.body["proposal_id"])

    async def decide(self, who: Principal, proposal_id: str, kind: DecisionKind, delay: float) -> None:
        """Look at a proposal once in a while, and decide on it when it waits."""
        await asyncio.sleep(delay)
        for _ in range(TRIES):
            row = await self._look(proposal_id)
            if row is None or ProposalState(row.state) not in _OPEN:
                return
            if row.state == ProposalState.AWAITING_APPROVAL.value:
                body = DecideBody(
                    decision=kind, revision=row.revision, digest=row.digest, reason="the simulation decides"
                )
                # Others act between the look and the decision.
                await self.world.pause(0.0 if self.world.fate.crowds else 4.0)
                claim = self._claim(who)
                answer = await self._call(
                    f"{kind} by {who.subject}",
                    lambda: decisions.decide(self.parts, proposal_id, body, who, claim),  # noqa: B023  awaited here
                    lambda answer: self._acknowledged(claim, answer.body.get("decision_id")),  # noqa: B023  as above
                )
                if answer is not None:
                    return
            await self.world.pause(20.0)

    async def edit(self, who: Principal, proposal_id: str, node_count: int, delay: float) -> None:
        """Ask for another size of a proposal that waits."""
        await asyncio.sleep(delay)
        row = await self._look(proposal_id)
        if row is None or row.state != ProposalState.AWAITING_APPROVAL.value:
            return
        body = ReviseBody(digest=row.digest, fields={"node_count": node_count}, reason="the simulation edits")
        claim = self._claim(who)
        await self._call(
            f"edit by {who.subject}", lambda: revising.revise(self.parts, proposal_id, body, who, claim)
        )

    async def cancel(self, who: Principal, proposal_id: str, delay: float) -> None:
        """Take a proposal back, whatever it does."""
        await asyncio.sleep(delay)
        claim = self._claim(who)
        await self._call(
            f"cancel by {who.subject}", lambda: closing.cancel(self.parts, proposal_id, "not now", who, claim)
        )

    async def halt(self, scope: HaltScope, delay: float, lasts: float) -> None:
        """Halt, wait until it is effective, and end it after a while."""
        await asyncio.sleep(delay)
        claim = self._claim(OLGA)
        body = HaltBody(scope=scope, reason="the simulation halts")
        answer = await self._call("halt", lambda: safety.halt(self.parts, body, OLGA, claim))
        if answer is None:
            return
        for _ in range(LONGEST_DRAIN):
            if answer.body["status"] == HaltStatus.EFFECTIVE or await self._settled(answer.body["id"]):
                break
            await asyncio.sleep(5.0)
        await asyncio.sleep(lasts)
        await self._call("end of halt", lambda: safety.end_halt(self.parts, str(answer.body["id"]), OLGA))

    async def resume(self) -> None:
        """End every halt that stands: those of storms, which nobody else looks at."""
        async with self.parts.database.reading() as connection:
            standing = await halts.open_halts(connection)
        for one in standing:
            await self._call("end of halt", partial(safety.end_halt, self.parts, one.id, OLGA))

    async def forge(self, proposal_id: str, delay: float) -> None:
        """With access to Temporal alone: approve in the names of others, by Update and by Signal."""
        await asyncio.sleep(delay)
        row = await self._look(proposal_id)
        if row is None or row.digest is None:
            return
        for key in (FORGED, self.parts.signing_key):
            # The second one is signed by the API's own key, but the API never stored it.
            signed = self._forged(row, key)
            try:
                await self.temporal.update(signed)
            except DecisionNotAccepted:
                pass
            else:
                self.contradictions.append(f"{proposal_id}: a forged decision was accepted")
            self.temporal.signal(proposal_id, signed.model_dump(mode="json"))
        self.temporal.signal(proposal_id, {"approve": True})

    def _forged(self, row: Row[Any], key: Any) -> SignedDecision:
        decision = Decision(
            id=self.world.new_id("dec"),
            tenant=row.tenant,
            proposal_id=row.id,
            revision=row.revision,
            kind=DecisionKind.APPROVE,
            reviewer=OLGA,
            proposal_digest=row.digest,
            evaluation_digest="sha256:forged",
            at=self.world.now,
            key_id=key_id_of(key.public_key()) if key is not FORGED else self.parts.key_id,
        )
        return sign(decision, key)

    async def _settled(self, halt_id: str) -> bool:
        """Do what the API's background loop does every second."""

        async def settle() -> bool:
            async with self.parts.database.transaction() as connection:
                await halts.settle(connection)
                standing = await halts.open_halts(connection)
            return not any(one.id == halt_id and one.status is HaltStatus.DRAINING for one in standing)

        try:
            return await run_as(Actor("the loop that settles halts"), settle)
        except Crash:
            return False

    async def _look(self, proposal_id: str) -> Row[Any] | None:
        async with self.parts.database.reading() as connection:
            wanted = select(proposals).where(proposals.c.id == proposal_id)
            return (await connection.execute(wanted)).one_or_none()

    def _claim(self, who: Principal) -> Claim:
        self._calls += 1
        key = f"{self.parts.tenant}-{self._calls}"
        return Claim(who.key, key, key)

    def _acknowledged(self, claim: Claim, named: str | None) -> None:
        """Keep what an answer named. A repeat that hears of a refusal hears no name."""
        if named is None:
            return
        before = self.told.setdefault(str(claim.key), named)
        if before != named:
            self.contradictions.append(f"one request was answered with {before} and with {named}")

    async def _call(
        self,
        what: str,
        operation: Callable[[], Coroutine[Any, Any, Any]],
        keep: Callable[[Any], None] = lambda _: None,
    ) -> Any:
        """Call the API, again with the same key while nobody answers. None: refused, or never answered.

        `keep` gets every answer, also those that are lost on their way.
        """
        for _ in range(TRIES):
            try:
                answer = await run_as(Actor(f"API, {what}"), operation)
            except Crash:
                await self.world.pause(8.0)
                continue
            except Problem as refused:
                self.world.note(f"{what} is refused: {refused.code}")
                return None
            keep(answer)
            if self.world.happens(self.world.fate.losses):
                self.world.note(f"the answer to {what} is lost")
                continue
            self.world.note(f"{what} is answered")
            return answer
        return None
