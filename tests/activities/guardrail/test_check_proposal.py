from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import JsonValue
from sqlalchemy import update

from adapters.configuration import parse
from adapters.opa.engine import OpaPolicyEngine
from adapters.store import halts, proposals
from adapters.store.database import Database, NetworkInsideTransaction
from adapters.store.migrate import upgrade
from adapters.store.schema import halts as halt_rows
from adapters.store.schema import proposals as proposal_rows
from contracts.action import SetNodePoolAutoscaling
from contracts.base import utc_now
from contracts.errors import ProviderPermissionDenied, ProviderUnavailable, StoreUnavailable, TargetNotFound
from contracts.messages import PassResult
from contracts.observation import AutoscalingBounds
from contracts.ports import PolicyEngine, PolicyResult
from contracts.proposal import Proposal, ProposalState
from contracts.safety import HaltScope
from tests.activities.guardrail.conftest import CONFIGURATION, Guards, Provider
from tests.adapters.store.samples import draft_of
from tests.contracts.samples import BEN, observation, resize
from tests.killable_postgres import KillablePostgres
from tests.opa_fixtures import TIMEOUT

ALL = [
    "scope", "halt", "change_window", "policy", "blast_radius", "rate", "circuit_breaker", "budget", "approval_rule",
]  # fmt: skip


async def reserved(guards: Guards) -> Decimal:
    return sum((row.reserved for row in await guards.rows("budget_windows")), Decimal(0))


async def test_production_waits_for_a_person_with_its_digest_fixed_and_its_budget_reserved(
    guards: Guards,
) -> None:
    proposal = await guards.propose()
    result = await guards.check(proposal)
    assert result.state is ProposalState.AWAITING_APPROVAL
    assert result.reason_code == "environment_requires_approval"
    row = await guards.row(proposal)
    assert row.state == "awaiting_approval"
    assert result.rules is not None
    assert result.rules.proposal_digest == row.digest == Proposal.model_validate(row.document).digest
    assert result.rules.requirement.quorum == 1
    evaluation = await guards.evaluation(proposal)
    assert [verdict.guardrail for verdict in evaluation.verdicts] == ALL
    assert evaluation.policy_revision.startswith("sha256:")
    assert evaluation.cost is not None
    assert evaluation.cost.node_delta == 6
    windows = {row.scope: row.reserved for row in await guards.rows("budget_windows")}
    assert windows == {line.scope: line.amount for line in evaluation.cost.lines}
    assert all(amount > 0 for amount in windows.values())
    assert len(windows) == 2
    assert row.risk == "medium"


async def test_where_nobody_is_asked_it_is_ready(guards: Guards) -> None:
    proposal = await guards.propose_in_development()
    result = await guards.check(proposal)
    assert (result.state, result.reason_code, result.admitted) == (ProposalState.READY, "allowed", False)
    assert await reserved(guards) > 0


async def test_every_move_has_its_audit_events_in_order(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    events = sorted(await guards.rows("audit_events", subject=proposal.id), key=lambda row: row.ordinal)
    assert [event.type for event in events] == [
        "proposal.created", "proposal.evaluated", "ledger.posted", "ledger.posted", "proposal.moved",
    ]  # fmt: skip
    (notice,) = await guards.rows("outbox", kind="notify")
    assert notice.payload["event"] == "waiting"


async def test_what_is_out_of_scope_is_denied_unread(guards: Guards) -> None:
    proposal = await guards.propose(action=resize().model_copy(update={"cluster": "unknown"}))
    result = await guards.check(proposal)
    assert (result.state, result.reason_code) == (ProposalState.DENIED, "target_not_registered")
    assert guards.provider.asked == 0


@pytest.mark.parametrize(
    ("provider", "node_count", "reason_code"),
    [
        (Provider(), 13, "above_max_nodes"),
        (Provider(), 0, "policy_shrink_to_zero_in_production"),
        (Provider(failure=TargetNotFound("no")), 4, "target_not_found"),
        (Provider(failure=ProviderPermissionDenied("no")), 4, "provider_permission_denied"),
        (Provider(observation().model_copy(update={"machine_type": "z9-mega"})), 4, "price_unknown"),
        (Provider(observation().model_copy(update={"machine_type": "a3-highgpu-8g"})), 12, "budget_exceeded"),
        (Provider(observation().model_copy(update={"autoscaling": AutoscalingBounds()})), 4, "pool_is_autoscaled"),
        (Provider(observation().model_copy(update={"zones": ()})), 4, "observation_incomplete"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_a_denial_names_its_reason_and_reserves_nothing(
    guards: Guards, provider: Provider, node_count: int, reason_code: str
) -> None:
    guards.provider = provider
    proposal = await guards.propose(action=resize(node_count))
    result = await guards.check(proposal)
    assert (result.state, result.reason_code) == (ProposalState.DENIED, reason_code)
    row = await guards.row(proposal)
    assert row.message
    assert row.closed_at is not None
    assert [verdict.guardrail for verdict in (await guards.evaluation(proposal)).verdicts] == ALL
    assert await reserved(guards) == 0


async def test_bounds_of_an_autoscaled_pool_are_priced_by_their_maximum_in_every_zone(guards: Guards) -> None:
    bounds = AutoscalingBounds(min_node_count=1, max_node_count=3)
    guards.provider = Provider(observation().model_copy(update={"autoscaling": bounds}))
    fields = resize().model_dump(exclude={"kind", "node_count"})
    action = SetNodePoolAutoscaling(**fields, min_node_count=1, max_node_count=5)
    proposal = await guards.propose(action=action)
    result = await guards.check(proposal)
    assert result.state is ProposalState.AWAITING_APPROVAL
    cost = (await guards.evaluation(proposal)).cost
    assert cost is not None
    assert cost.node_delta == 2 * 3
    document = Proposal.model_validate((await guards.row(proposal)).document)
    assert document.precondition.kind == "bounds"


async def test_a_provider_that_does_not_answer_is_asked_three_times_and_then_denies(guards: Guards) -> None:
    guards.provider = Provider(failure=ProviderUnavailable("no"))
    proposal = await guards.propose()
    for attempt in (1, 2):
        with pytest.raises(ProviderUnavailable):
            await guards.check(proposal, attempt=attempt)
    assert (await guards.row(proposal)).state == "evaluating"
    result = await guards.check(proposal, attempt=3)
    assert (result.state, result.reason_code) == (ProposalState.DENIED, "provider_unavailable")


async def test_without_opa_everything_is_denied(guards: Guards) -> None:
    guards.policy = OpaPolicyEngine("unix:///nowhere/opa.sock", timeout=TIMEOUT)
    proposal = await guards.propose_in_development()
    result = await guards.check(proposal)
    assert (result.state, result.reason_code) == (ProposalState.DENIED, "policy_unavailable")
    await guards.policy.close()


async def test_a_rerun_returns_what_was_stored_and_writes_nothing(guards: Guards) -> None:
    proposal = await guards.propose()
    first = await guards.check(proposal)
    before = (
        await guards.rows("audit_events"),
        await guards.rows("ledger_entries"),
        await guards.rows("outbox"),
    )
    assert await guards.check(proposal) == first
    assert (
        await guards.rows("audit_events"),
        await guards.rows("ledger_entries"),
        await guards.rows("outbox"),
    ) == before
    assert guards.provider.asked == 1


async def test_runs_of_the_same_pass_at_the_same_time_come_to_one_result(guards: Guards) -> None:
    proposal = await guards.propose()
    results = await asyncio.gather(*[guards.check(proposal) for _ in range(5)])
    assert results[0].rules is not None
    assert all(result == results[0] for result in results)
    assert len(await guards.rows("evaluations")) == 1
    assert len(await guards.rows("ledger_entries")) == 2


class ChecksMeanwhile:
    """Has another worker run the same pass while OPA is being asked."""

    def __init__(self, guards: Guards, proposal: Proposal) -> None:
        self._guards, self._engine, self._proposal = guards, guards.policy, proposal
        self.other: PassResult | None = None

    async def evaluate(self, document: Mapping[str, JsonValue]) -> PolicyResult:
        self._guards.policy = self._engine
        self.other = await self._guards.check(self._proposal)
        return await self._engine.evaluate(document)


async def test_a_run_that_another_overtakes_answers_what_that_one_stored(guards: Guards) -> None:
    proposal = await guards.propose()
    guards.policy = meanwhile = ChecksMeanwhile(guards, proposal)
    result = await guards.check(proposal)
    assert result.rules is not None
    assert result == meanwhile.other
    assert len(await guards.rows("evaluations")) == 1


class CancelsMeanwhile:
    """Cancels the proposal while OPA is being asked."""

    def __init__(self, engine: PolicyEngine, database: Database, proposal: Proposal) -> None:
        self._engine, self._database, self._proposal = engine, database, proposal

    async def evaluate(self, document: Mapping[str, JsonValue]) -> PolicyResult:
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, self._proposal.id)
            await proposals.move(connection, row, ProposalState.CANCELLED, actor=BEN, reason_code="cancelled")
        return await self._engine.evaluate(document)


async def test_a_cancel_during_the_pass_wins(guards: Guards) -> None:
    proposal = await guards.propose()
    guards.policy = CancelsMeanwhile(guards.policy, guards.database, proposal)
    result = await guards.check(proposal)
    assert (result.state, result.reason_code) == (ProposalState.CANCELLED, "cancelled")
    assert await guards.rows("evaluations") == []
    assert await guards.rows("ledger_entries") == []


async def test_a_pass_of_another_revision_judges_nothing(guards: Guards) -> None:
    proposal = await guards.propose()
    result = await guards.check(proposal.model_copy(update={"revision": 2}))
    assert result.state is ProposalState.EVALUATING
    assert await guards.rows("evaluations") == []


async def test_a_proposal_past_its_time_to_decide_is_expired(guards: Guards) -> None:
    late = utc_now() - timedelta(seconds=1)
    proposal = await guards.propose(decide_by=late)
    result = await guards.check(proposal)
    assert (result.state, result.reason_code) == (ProposalState.EXPIRED, "decide_by_passed")
    other = await guards.propose(decide_by=late, execute_by=late)
    assert (await guards.check(other)).reason_code == "execute_by_passed"
    needs_nobody = await guards.propose_in_development(decide_by=late)
    assert (await guards.check(needs_nobody)).state is ProposalState.EXPIRED


async def test_a_dry_run_is_judged_and_closed_with_nothing_reserved(guards: Guards) -> None:
    proposal = await guards.propose(dry_run=True)
    result = await guards.check(proposal)
    assert (result.state, result.reason_code) == (ProposalState.CANCELLED, "dry_run")
    assert (await guards.evaluation(proposal)).requirement is not None
    assert "require approval" in (await guards.row(proposal)).message
    assert await reserved(guards) == 0


async def test_an_edit_brings_the_reservation_to_its_own_size(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    before = await reserved(guards)
    edited = draft_of(proposal).model_copy(update={"revision": 2, "action": resize(3)})
    async with guards.database.transaction() as connection:
        again = update(proposal_rows).values(revision=2, state="evaluating")
        await connection.execute(again.values(draft=edited.model_dump(mode="json")))
    result = await guards.check(proposal.model_copy(update={"revision": 2, "action": resize(3)}))
    assert result.state is ProposalState.AWAITING_APPROVAL
    assert Decimal("0.4") * before < await reserved(guards) < Decimal("0.6") * before


async def test_an_open_halt_denies(guards: Guards) -> None:
    async with guards.database.transaction() as connection:
        await halts.create(
            connection, HaltScope(environment="production"), "fire", actor=BEN, tenant="default"
        )
    stopped, free = await guards.propose(), await guards.propose_in_development()
    assert (await guards.check(stopped)).reason_code == "halted"
    assert (await guards.check(free)).state is ProposalState.READY
    async with guards.database.transaction() as connection:
        await connection.execute(update(halt_rows).values(status="draining", effective_at=None))
    assert (await guards.check(await guards.propose())).reason_code == "halted"


async def test_a_worker_of_another_mode_denies(guards: Guards) -> None:
    guards.mode = "google"
    assert (await guards.check(await guards.propose())).reason_code == "mode_mismatch"


async def test_a_target_that_moved_to_another_environment_is_denied(guards: Guards) -> None:
    proposal = await guards.propose()
    guards.configuration = parse(
        CONFIGURATION.replace("environment: production, team", "environment: development, team")
    )
    assert (await guards.check(proposal)).reason_code == "registration_changed"


async def test_the_policy_engine_refuses_to_be_asked_inside_a_transaction(guards: Guards) -> None:
    async with guards.database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await guards.policy.evaluate({})


async def test_while_the_database_is_gone_nothing_is_decided_and_once_it_answers_it_is(
    policy_engine: OpaPolicyEngine, killable_postgres: KillablePostgres
) -> None:
    await upgrade(killable_postgres.url)
    database = Database(killable_postgres.url)
    guards = Guards(database, Provider(), policy_engine)
    try:
        proposal = await guards.propose_in_development()
        killable_postgres.crash()
        with pytest.raises(StoreUnavailable):
            await guards.check(proposal)
        killable_postgres.start()
        assert (await guards.check(proposal)).state is ProposalState.READY
    finally:
        await database.close()


async def test_of_many_at_once_only_as_many_are_granted_as_the_budget_holds(guards: Guards) -> None:
    first = await guards.propose_in_development(cluster="dev-0")
    await guards.check(first)
    cost = (await guards.evaluation(first)).cost
    assert cost is not None
    limit = 4 * max(line.amount for line in cost.lines)
    guards.configuration = parse(CONFIGURATION.replace("40000", str(limit)))
    others = [await guards.propose_in_development(cluster=f"dev-{number}") for number in range(1, 13)]
    results = await asyncio.gather(*[guards.check(proposal) for proposal in others])
    granted = [result for result in results if result.state is ProposalState.READY]
    # Prices fall with every second that passes in the window: a fifth may just fit.
    assert 3 <= len(granted) <= 4
    assert {result.reason_code for result in results if result not in granted} == {"budget_exceeded"}
    for row in await guards.rows("budget_windows", scope="environment=development"):
        assert row.reserved + row.committed <= limit
