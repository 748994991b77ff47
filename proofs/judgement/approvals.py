"""Judges what came before each forward effect (I2): an admitting pass, a reservation, and enough signed approvals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Row

from contracts.decision import DecisionKind, SignedDecision
from contracts.eligibility import voter
from contracts.evaluation import ApprovalRequirement, Evaluation
from contracts.principal import PrincipalKind, Role
from contracts.proposal import Proposal
from contracts.signature import is_signed_by
from emulators.gke.log import Calls
from proofs.judgement.effects import effects, owners
from proofs.judgement.records import Records

SKEW = timedelta(milliseconds=50)
"""Between the clocks of the provider and of the database, which are two processes of one machine."""


_SETTLING = ("commit", "adjust")
"""Entries of the end of an effect that was verified: what comes from there on says nothing of before."""


def faults(records: Records, calls: Calls, public_keys: Mapping[str, str]) -> list[str]:
    """Return forward effects that were not preceded by all that must precede them. `public_keys` as workflows get."""
    proposals = {row.id: row for row in records.proposals}
    owner, found = owners(records), []
    for call in effects(calls):
        proposal_id, revision, step = owner.get(call.operation, "//").split("/")
        if step != "forward":
            continue
        row, moment = proposals[proposal_id], call.ts + SKEW
        judged = [
            one
            for one in records.evaluations
            if one.proposal_id == proposal_id and one.revision == int(revision) and one.created_at <= moment
        ]
        lacking = [*_passes(judged), *_money(records, proposal_id, judged, moment)]
        lacking += _votes(records, row, int(revision), judged, moment, public_keys)
        found += [f"{proposal_id}: the effect of call {call.seq} came {what}" for what in lacking]
    return found


def _passes(judged: list[Row[Any]]) -> Iterable[str]:
    admitting = [one.result.get("admitted") is True for one in judged if one.pass_number >= 2]
    if not any(admitting):
        yield "without an admitting pass"
    elif not admitting[-1]:
        yield "after a pass that did not admit any more"


def _money(records: Records, proposal_id: str, judged: list[Row[Any]], moment: datetime) -> Iterable[str]:
    if not judged:
        return
    newest = judged[-1]
    cost = Evaluation.model_validate(newest.document).cost
    if cost is None or cost.monthly_delta <= 0:
        return
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in records.entries:
        if one.proposal_id != proposal_id:
            continue
        if one.kind in _SETTLING:
            break
        # What is given back after the newest pass may be given back after the effect.
        if one.credit == "reserved" and one.created_at <= moment:
            held[one.scope, one.window] += one.amount
        elif one.debit == "reserved" and one.created_at <= newest.created_at:
            held[one.scope, one.window] -= one.amount
    if any(held[line.scope, line.window] < line.amount for line in cost.lines):
        yield "without a reservation of all that it costs"


def _votes(
    records: Records,
    row: Row[Any],
    revision: int,
    judged: list[Row[Any]],
    moment: datetime,
    public_keys: Mapping[str, str],
) -> Iterable[str]:
    quorum = quorum_of(judged)
    if not quorum:
        return
    proposal, roles = Proposal.model_validate(row.document), _roles_of(judged)
    authors = {voter(one) for one in proposal.authors}
    standing = defaultdict(list)
    for one in records.decisions:
        if one.proposal_id != row.id or one.revision != revision or one.status != "applied":
            continue
        signed = SignedDecision.model_validate(one.document)
        said = signed.decision
        counts = (
            said.kind is DecisionKind.APPROVE
            and said.reviewer.kind is PrincipalKind.HUMAN
            and voter(said.reviewer) not in authors
            and roles.intersection(said.reviewer.roles)
            and said.proposal_digest == proposal.digest
            and said.at <= proposal.decide_by
            and one.created_at <= moment
            and is_signed_by(signed, public_keys)
        )
        if counts:
            standing[voter(said.reviewer)].append(said.id)
    yield from lacking_votes(quorum, len(standing))


def quorum_of(judged: Sequence[Row[Any]]) -> int:
    """Return how many approvals the strictest of these passes asked for."""
    return max((one.quorum for one in _requirements(judged)), default=0)


def _roles_of(judged: Sequence[Row[Any]]) -> set[Role]:
    """Return the roles of which a vote needs one."""
    return {role for one in _requirements(judged) for role in one.roles}


def _requirements(judged: Sequence[Row[Any]]) -> list[ApprovalRequirement]:
    asked = (Evaluation.model_validate(one.document).requirement for one in judged)
    return [one for one in asked if one is not None]


def lacking_votes(quorum: int, valid: int) -> list[str]:
    """Return what is lacking when so many approvals are valid."""
    return [f"with {valid} of {quorum} valid approvals"] if valid < quorum else []
