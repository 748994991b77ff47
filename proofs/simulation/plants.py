"""Bugs, planted into the product's wiring: the simulation must find each of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

import activities.execution.activities
import activities.guardrail.activities
import activities.verification.activities
import adapters.store.admitting
import adapters.store.decisions
import adapters.store.guard_pass.halts
import adapters.store.halts
import adapters.store.intents
import adapters.store.leases
import adapters.store.ledger
import adapters.store.outbox
import api.proposals.decisions
import api.proposals.service
import contracts.base
import contracts.eligibility
from activities.execution.admission import Admission
from activities.execution.attempt import Granted
from activities.guardrail.activities import GuardActivities
from activities.verification.judgement import VERIFIED, Judgement
from adapters.store import intents, leases, proposals
from adapters.store.admitting import Facts
from adapters.store.batch import Batch
from adapters.store.leases import LeaseGrant
from adapters.store.outbox import OutboxKind
from adapters.store.schema import decisions
from contracts.action import Action
from contracts.decision import DecisionRules, SignedDecision
from contracts.effect import Intent
from contracts.messages import PassInput, PassResult
from contracts.observation import NodePoolObservation
from contracts.proposal import Draft, ProposalState
from contracts.safety import Halt
from proofs.own_clock import AtOwnClock
from proofs.simulation.provider import EFFECT
from proofs.simulation.wiring import replaced
from proofs.simulation.world import Fate
from tests.steps import take_lease


@contextmanager
def fence_ignored() -> Iterator[None]:
    """An attempt acts although a newer one does, however late, and waits for nobody's call to end."""
    real, grant = leases.raise_fence, Admission._grant  # noqa: SLF001  a bug is planted where it would be
    read = adapters.store.admitting.read

    async def grant_for_ever(*given: Any) -> Granted:
        return dataclasses.replace(await grant(*given), wait=0.0, expires=math.inf)

    async def raise_fence(*given: Any) -> LeaseGrant:
        return dataclasses.replace(await real(*given), wait_until=None)

    async def always(*_: object) -> bool:
        return True

    async def never_open(*given: Any) -> Facts:
        return dataclasses.replace(await read(*given), is_open=False)

    with _all(
        replaced(adapters.store.leases, "raise_fence", raise_fence),
        replaced(Admission, "_grant", grant_for_ever),
        replaced(adapters.store.intents, "is_current", always),
        replaced(adapters.store.admitting, "read", never_open),
    ):
        yield


@contextmanager
def intent_after_call() -> Iterator[None]:
    """The intent is written when the call has been answered, not before it."""
    kept: dict[str, tuple[Intent, str]] = {}
    real_add, real_issue = intents.add_intent, intents.issue

    def keep(_: Batch, intent: Intent, tenant: str) -> None:
        kept[intent.key] = (intent, tenant)

    async def issue(connection: AsyncConnection, intent: Intent, *given: Any, **named: Any) -> None:
        if intent.key in kept:
            batch = Batch()
            real_add(batch, *kept.pop(intent.key))
            await batch.send(connection)
        await real_issue(connection, intent, *given, **named)

    async def always(*_: object) -> bool:
        return True

    with _all(
        replaced(adapters.store.intents, "add_intent", keep),
        replaced(adapters.store.intents, "issue", issue),
        replaced(adapters.store.intents, "is_current", always),
    ):
        yield


@contextmanager
def reservation_repeated() -> Iterator[None]:
    """A pass reserves the whole cost, whatever is reserved already."""
    real = adapters.store.ledger.plan_reservation

    def plan(positions: Any, *given: Any, **named: Any) -> Any:
        fresh = [dataclasses.replace(one, reserved=one.reserved * 0) for one in positions]
        return real(fresh, *given, **named)

    with replaced(adapters.store.ledger, "plan_reservation", plan):
        yield


@contextmanager
def digest_unbound() -> Iterator[None]:
    """A vote counts for whatever the proposal says by now: an edit keeps the votes, and no digest is looked at."""
    real = contracts.eligibility.vote_refusal

    def refusal(signed: SignedDecision, rules: DecisionRules, **named: Any) -> str | None:
        said = signed.decision
        loose = rules.model_copy(update={"proposal_digest": said.proposal_digest, "revision": said.revision})
        return real(signed, loose, **named)

    async def carry_over(connection: AsyncConnection, row: Row[Any], *_: object) -> None:
        of_row = (decisions.c.proposal_id == row.id, decisions.c.revision == row.revision)
        await connection.execute(update(decisions).where(*of_row).values(revision=row.revision + 1))

    with _all(
        replaced(contracts.eligibility, "vote_refusal", refusal),
        replaced(adapters.store.decisions, "void_all", carry_over),
    ):
        yield


@contextmanager
def release_lost() -> Iterator[None]:
    """What closes without an effect keeps its reservation."""

    async def keep(*_: object) -> None:
        return None

    with replaced(adapters.store.ledger, "release_all", keep):
        yield


@contextmanager
def second_pass_skipped() -> Iterator[None]:
    """What was approved is executed as if the second pass had admitted it."""
    real = GuardActivities._run  # noqa: SLF001  a bug is planted where the product would have it

    async def run(self: GuardActivities, given: PassInput, *, admitting: bool) -> PassResult:
        if not admitting:
            return await real(self, given, admitting=admitting)
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, given.proposal_id)
            domain = Draft.model_validate(row.draft).action.target.serialisation_domain
            taken = row.state == ProposalState.READY and await take_lease(connection, domain, row.id)
        return PassResult(
            state=ProposalState(row.state),
            admitted=taken,
            held_on=None if taken else domain,
            execute_by=row.execute_by,
            reason_code="admitted",
        )

    def nothing(*_: object) -> None:
        return None

    with _all(
        replaced(GuardActivities, "_run", run),
        replaced(Admission, "_waiting_for", nothing),
    ):
        yield


@contextmanager
def own_clock() -> Iterator[None]:
    """Deadlines are made and looked at by the clock of the process that runs."""
    real = activities.guardrail.activities.overdue  # type: ignore[attr-defined]
    locked = api.proposals.decisions.locked  # type: ignore[attr-defined]

    async def now(_: object) -> datetime:
        return contracts.base.utc_now()

    def overdue(row: Row[Any], _: datetime, *, admitting: bool) -> str | None:
        late: str | None = real(row, contracts.base.utc_now(), admitting=admitting)
        return late

    async def locked_at_own_time(*given: Any) -> Any:
        return AtOwnClock(await locked(*given))

    with _all(
        replaced(api.proposals.service, "database_now", now),
        replaced(api.proposals.decisions, "locked", locked_at_own_time),
        replaced(activities.guardrail.activities, "overdue", overdue),
    ):
        yield


@contextmanager
def halt_overlooked() -> Iterator[None]:
    """Neither a pass nor an effect looks whether it is halted."""

    def none(_: object) -> tuple[Halt, ...]:
        return ()

    def nothing(*_: object) -> None:
        return None

    with _all(
        replaced(adapters.store.guard_pass.halts, "parse", none),
        replaced(adapters.store.halts, "covering", nothing),
    ):
        yield


@contextmanager
def taken_for_done() -> Iterator[None]:
    """Whatever runs in the end counts as what was asked for."""

    def judge(*_: object) -> Judgement:
        return Judgement(matches=True, settled=True, reason_code=VERIFIED)

    with replaced(activities.verification.activities, "judge", judge):
        yield


@contextmanager
def way_back_elsewhere() -> Iterator[None]:
    """What is taken back is left one node larger than it was, and counts as restored."""

    def restoring(action: Action, prior: NodePoolObservation) -> Action:
        count = prior.even_node_count or 0
        return action.model_copy(update={"node_count": count + 1})

    with _all(
        replaced(activities.execution.activities, "restoring", restoring),
        replaced(activities.verification.activities, "restoring", restoring),
    ):
        yield


@contextmanager
def page_lost() -> Iterator[None]:
    """Nobody is told of a proposal that became `dirty`."""
    told = {state: event for state, event in proposals._NOTIFIED.items() if state != ProposalState.DIRTY}  # noqa: SLF001  as above
    with replaced(proposals, "_NOTIFIED", told):
        yield


@contextmanager
def vote_lost() -> Iterator[None]:
    """A vote is handed over at once or never: nobody writes the row that the dispatcher would deliver it by."""
    real = adapters.store.outbox.put

    async def put(connection: AsyncConnection, kind: OutboxKind, *given: Any, **named: Any) -> int:
        return 0 if kind is OutboxKind.DECIDE else await real(connection, kind, *given, **named)

    with replaced(adapters.store.outbox, "put", put):
        yield


@contextmanager
def _all(*several: AbstractContextManager[None]) -> Iterator[None]:
    with ExitStack() as stack:
        for one in several:
            stack.enter_context(one)
        yield


FATES: Mapping[str | None, Fate] = MappingProxyType(
    {
        "fence": Fate(stalls=0.3, quorum=0),
        "intent": Fate(crash_at=EFFECT),
        "reservation": Fate(),
        "digest": Fate(edits=1.0, quorum=2),
        "release": Fate(),
        "second-pass": Fate(),
        "clock": Fate(),
        "halt": Fate(),
        "verification": Fate(shortfalls=1.0),
        "way-back": Fate(),
        "page": Fate(),
        "vote": Fate(losses=0.2, quorum=2),
    }
)
"""The luck that meets a planted bug often: a bug of the real product meets that of every seed."""

PLANTS: Mapping[str | None, Callable[[], AbstractContextManager[None]]] = MappingProxyType(
    {
        None: nullcontext,
        "fence": fence_ignored,
        "intent": intent_after_call,
        "reservation": reservation_repeated,
        "digest": digest_unbound,
        "release": release_lost,
        "second-pass": second_pass_skipped,
        "clock": own_clock,
        "halt": halt_overlooked,
        "verification": taken_for_done,
        "way-back": way_back_elsewhere,
        "page": page_lost,
        "vote": vote_lost,
    }
)
"""Name on the command line → the bug."""
