"""Guard passes against closed windows: they wait, are overridden, or go by break-glass. On the real database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from activities.housekeeping.exceptions import ExceptionSweeps
from adapters.configuration import parse
from adapters.store import break_glass, halts, overrides
from adapters.store.database import database_now
from adapters.store.schema import break_glass as grants
from adapters.store.schema import decisions, gate_overrides, outbox, proposals
from contracts.base import new_id, utc_now
from contracts.break_glass import BreakGlass, BreakGlassStatus
from contracts.configuration import BypassableGate, ChangeWindow, Configuration
from contracts.evaluation import Outcome, Verdict
from contracts.holds import on_halt
from contracts.override import GateOverride
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Proposal, ProposalState
from contracts.safety import HaltScope
from tests.activities.guardrail.conftest import CONFIGURATION, Guards
from tests.contracts.samples import BEN

S = ProposalState
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))
HOUR = timedelta(hours=1)


def frozen(
    name: str = "year-end", *, lasts: timedelta = HOUR, roles: tuple[str, ...] = ("operator",)
) -> ChangeWindow:
    now = utc_now()
    return ChangeWindow.model_validate(
        {
            "name": name,
            "kind": "freeze",
            "scope": {"environment": "development"},
            "time_zone": "Europe/Berlin",
            "starts_at": now - HOUR,
            "ends_at": now + lasts,
            "override_roles": roles,
        }
    )


def configured(*windows: ChangeWindow) -> Configuration:
    return parse(CONFIGURATION).model_copy(update={"windows": windows})


async def verdict(guards: Guards, proposal: Proposal, number: int) -> Verdict:
    evaluation = await guards.evaluation(proposal, number)
    return next(one for one in evaluation.verdicts if one.guardrail == "change_window")


async def ready(guards: Guards, *windows: ChangeWindow) -> Proposal:
    """A proposal that the first pass let through before these windows were declared."""
    proposal = await guards.propose_in_development()
    assert (await guards.check(proposal)).state is S.READY
    guards.configuration = configured(*windows)
    return proposal


async def overridden(
    guards: Guards, proposal: Proposal, *windows: str, actor: Principal = OLGA
) -> GateOverride:
    async with guards.database.transaction() as connection:
        now = await database_now(connection)
        given = GateOverride(
            id=new_id("ovr"),
            proposal_id=proposal.id,
            revision=1,
            gate="change_window",
            windows=windows,
            actor=actor,
            reason="the shop is down",
            at=now,
            expires_at=proposal.execute_by,
        )
        await overrides.record(connection, given, tenant="default")
    return given


async def granted(guards: Guards, **changes: Any) -> BreakGlass:
    async with guards.database.transaction() as connection:
        now = await database_now(connection)
        fields: dict[str, Any] = {
            "id": new_id("brk"),
            "scope": HaltScope(environment="development"),
            "gates": tuple(BypassableGate),
            "reason": "the site is down",
            "minutes": 30,
            "status": BreakGlassStatus.AWAITING_SECOND,
            "opened_by": OLGA,
            "opened_at": now,
            "confirm_by": now + HOUR,
        }
        grant = BreakGlass.model_validate(fields | changes)
        await break_glass.create(connection, grant, tenant="default")
        return await break_glass.confirm(connection, grant, BEN, tenant="default")


async def test_what_a_window_closes_waits_for_its_opening_and_is_woken_then(guards: Guards) -> None:
    window = frozen()
    guards.configuration = configured(window)
    proposal = await guards.propose_in_development()
    assert (await guards.check(proposal)).state is S.READY
    assert "will wait until" in (await verdict(guards, proposal, 1)).message
    held = await guards.admit(proposal)
    assert (held.state, held.held_on, held.reason_code) == (S.READY, "window:year-end", "frozen")
    said = await verdict(guards, proposal, 2)
    assert said.remedy is not None
    assert "override year-end" in said.remedy
    (wake,) = await guards.rows("outbox", kind="wake", subject=proposal.id)
    assert wake.due_at == window.moment(window.ends_at)
    guards.configuration = configured(frozen(lasts=timedelta(seconds=-1)))
    assert (await guards.admit(proposal, 3)).admitted


async def test_what_does_not_open_in_time_is_denied_unless_somebody_may_override(guards: Guards) -> None:
    guards.configuration = configured(frozen(lasts=10 * HOUR, roles=()))
    result = await guards.check(await guards.propose_in_development())
    assert (result.state, result.reason_code) == (S.DENIED, "frozen")
    guards.configuration = configured(frozen(lasts=10 * HOUR))
    asked = await guards.check(await guards.propose_in_development())
    assert asked.state is S.AWAITING_APPROVAL
    assert asked.rules is not None
    assert asked.rules.requirement.roles == (Role.OPERATOR,)


async def approve(
    guards: Guards,
    proposal: Proposal,
    evaluation_digest: str,
    reviewer: Principal = OLGA,
    /,
    reason: str = "go",
    **stored: str,
) -> None:
    decision = {
        "reviewer": reviewer.model_dump(mode="json"),
        "reason": reason,
        "at": utc_now().isoformat(),
        "evaluation_digest": evaluation_digest,
    }
    values = {
        "id": new_id("dec"),
        "proposal_id": proposal.id,
        "revision": 1,
        "kind": "approve",
        "reviewer": reviewer.key,
        "document": {"decision": decision, "signature": ""},
        "status": "applied",
    }
    async with guards.database.transaction() as connection:
        await connection.execute(insert(decisions).values(values | stored))
        await connection.execute(update(proposals).where(proposals.c.id == proposal.id).values(state="ready"))


async def test_an_approval_that_was_told_of_the_closed_window_overrides_it(guards: Guards) -> None:
    guards.configuration = configured(frozen(lasts=10 * HOUR))
    proposal = await guards.propose_in_development()
    await guards.check(proposal)
    await approve(guards, proposal, (await guards.evaluation(proposal, 1)).digest)
    assert (await guards.admit(proposal)).admitted
    assert (await verdict(guards, proposal, 2)).facts["overridden_by"] == "local/olga"


@pytest.mark.parametrize("reason", ["", " \n"])
async def test_an_approval_without_a_reason_overrides_nothing(guards: Guards, reason: str) -> None:
    guards.configuration = configured(frozen(lasts=10 * HOUR))
    proposal = await guards.propose_in_development()
    await guards.check(proposal)
    digest = (await guards.evaluation(proposal, 1)).digest
    await approve(guards, proposal, digest, reason=reason)
    assert not (await guards.admit(proposal)).admitted


@pytest.mark.parametrize(
    "stored",
    [{"kind": "reject"}, {"kind": "request_change"}, {"status": "voided"}, {"status": "superseded"}],
    ids=lambda stored: next(iter(stored.values())),
)
async def test_only_an_approval_that_stands_overrides(guards: Guards, stored: dict[str, str]) -> None:
    guards.configuration = configured(frozen(lasts=10 * HOUR))
    proposal = await guards.propose_in_development()
    await guards.check(proposal)
    await approve(guards, proposal, (await guards.evaluation(proposal, 1)).digest, OLGA, **stored)
    assert not (await guards.admit(proposal)).admitted
    assert "overridden_by" not in (await verdict(guards, proposal, 2)).facts


async def test_an_override_of_another_revision_lets_nothing_through(guards: Guards) -> None:
    proposal = await ready(guards, frozen())
    await overridden(guards, proposal, "year-end")
    async with guards.database.transaction() as connection:
        await connection.execute(update(gate_overrides).values(revision=2))
    assert (await guards.admit(proposal)).held_on == "window:year-end"


async def test_an_approval_from_before_the_window_closed_overrides_nothing(guards: Guards) -> None:
    proposal = await ready(guards, frozen(lasts=10 * HOUR))
    await approve(guards, proposal, (await guards.evaluation(proposal, 1)).digest)
    assert (await guards.admit(proposal)).held_on == "window:year-end"


async def test_an_override_lets_its_revision_through_what_it_names_until_it_expires(guards: Guards) -> None:
    proposal = await ready(guards, frozen())
    assert (await guards.admit(proposal, 2)).held_on == "window:year-end"
    given = await overridden(guards, proposal, "year-end")
    assert len([row for row in await guards.rows("outbox", kind="wake") if "override" in row.payload]) == 1
    guards.configuration = configured(frozen(), frozen("moon"))
    assert (await guards.admit(proposal, 3)).held_on == "window:year-end"
    guards.configuration = configured(frozen())
    async with guards.database.transaction() as connection:
        now = await database_now(connection)
        await connection.execute(update(gate_overrides).values(expires_at=now))
    assert not (await guards.admit(proposal, 4)).admitted
    async with guards.database.transaction() as connection:
        await connection.execute(update(gate_overrides).values(expires_at=given.expires_at))
    assert (await guards.admit(proposal, 5)).admitted
    said = await verdict(guards, proposal, 5)
    assert (said.facts["override"], said.facts["overridden_by"]) == (given.id, "local/olga")
    assert "the shop is down" in said.message


async def test_an_override_by_somebody_whom_the_window_does_not_name_does_not_count(guards: Guards) -> None:
    proposal = await ready(guards, frozen())
    await overridden(guards, proposal, "year-end", actor=BEN)
    assert (await guards.admit(proposal)).held_on == "window:year-end"


async def test_a_grant_lets_through_says_so_and_is_remembered_for_its_review(guards: Guards) -> None:
    proposal = await ready(guards, frozen())
    grant = await granted(guards)
    assert (await guards.admit(proposal)).admitted
    said = await verdict(guards, proposal, 2)
    assert (said.outcome, said.reason_code, said.held_on) == (Outcome.ALLOW, "break_glass", None)
    assert said.facts["closed_by"] == ["year-end"]
    told = said.facts["break_glass"]
    assert isinstance(told, dict)
    assert (told["grant"], told["outcome"], told["reason_code"]) == (grant.id, "hold", "frozen")
    (use,) = await guards.rows("break_glass_uses", grant_id=grant.id)
    assert (use.proposal_id, use.document["gates"]) == (proposal.id, ["change_window"])
    assert len(await guards.rows("audit_events", type="break_glass.used", subject=grant.id)) == 1


async def expire(guards: Guards, at: datetime) -> None:
    async with guards.database.transaction() as connection:
        await connection.execute(update(grants).values(expires_at=at))


async def test_a_grant_that_is_over_or_is_about_something_else_opens_nothing(guards: Guards) -> None:
    proposal = await ready(guards, frozen())
    await granted(guards, scope=HaltScope(environment="production"))
    await granted(guards, gates=(BypassableGate.RATE,))
    assert (await guards.admit(proposal, 2)).held_on == "window:year-end"
    grant = await granted(guards)
    await expire(guards, grant.opened_at)
    assert (await guards.admit(proposal, 3)).held_on == "window:year-end"
    assert await guards.rows("break_glass_uses") == []


async def test_no_grant_opens_a_halt(guards: Guards) -> None:
    proposal = await ready(guards, frozen())
    await granted(guards, scope=HaltScope(everything=True))
    async with guards.database.transaction() as connection:
        halt = await halts.create(
            connection, HaltScope(everything=True), "stop", actor=OLGA, tenant="default"
        )
    assert (await guards.admit(proposal)).held_on == on_halt(halt.id)


async def test_the_sweep_wakes_what_no_window_closes_any_more(guards: Guards) -> None:
    proposal = await ready(guards, frozen())
    await guards.admit(proposal)
    async with guards.database.transaction() as connection:
        await connection.execute(delete(outbox))
    assert await ExceptionSweeps(guards.database, guards.configuration).wake_opened() == 0
    assert await ExceptionSweeps(guards.database, configured()).wake_opened() == 1
    assert [row.subject for row in await guards.rows("outbox", kind="wake")] == [proposal.id]
