"""REQUEST → PROPOSAL: what becomes of an action that an event asks for while its target has an open proposal.

The open one stands, and is named. The same action needs no second proposal; another value waits until the open one is
closed: what a person looks at does not change under their eyes, and a source that flaps cannot drive a target.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import coalescing
from adapters.store.coalescing import OpenProposal
from contracts.messages import summary_of
from contracts.request import Channel, Proposed, ProposedAction, Refused, Request

COALESCED = "coalesced"
TARGET_HAS_OPEN_PROPOSAL = "target_has_open_proposal"
_FROM_MACHINES = (Channel.EVENT, Channel.SCHEDULE)


@dataclass(frozen=True, slots=True)
class Coalesced:
    """What is left of an outcome."""

    outcome: Proposed | Refused
    new: tuple[tuple[int, ProposedAction], ...]
    """Actions that become proposals, each with its index in the outcome."""
    joined: tuple[str, ...] = ()
    """Open proposals that ask for the same already."""


async def coalesce(connection: AsyncConnection, request: Request, outcome: Proposed) -> Coalesced:
    """Take from an event's outcome what its targets' open proposals stand in the way of. Others keep theirs whole."""
    wanted = tuple(enumerate(outcome.actions))
    if request.channel not in _FROM_MACHINES:
        return Coalesced(outcome, wanted)
    await coalescing.lock_targets(connection, [one.action.target.key for one in outcome.actions])
    new: list[tuple[int, ProposedAction]] = []
    joined: list[str] = []
    told: list[str] = []
    taken: set[str] = set()
    for index, proposed in wanted:
        key = proposed.action.target.key
        found = await coalescing.open_on(connection, request.tenant, key)
        if found is None and key not in taken:
            taken.add(key)
            new.append((index, proposed))
        elif found is not None:
            told.append(_words(found, proposed))
            joined += [found.id] if found.action == proposed.action else []
        else:
            told.append("One request makes one proposal per target: the first one stands.")
    return Coalesced(_left(outcome, new, joined, told), tuple(new), tuple(dict.fromkeys(joined)))


def _left(
    outcome: Proposed, new: list[tuple[int, ProposedAction]], joined: list[str], told: list[str]
) -> Proposed | Refused:
    if not told:
        return outcome
    text = " ".join([outcome.text, *told] if new else told).strip()[:8_000]
    if new:
        return outcome.model_copy(update={"text": text})
    return Refused(text=text, reason_code=COALESCED if joined else TARGET_HAS_OPEN_PROPOSAL)


def _words(found: OpenProposal, proposed: ProposedAction) -> str:
    state = found.state.value.replace("_", " ")
    if found.action == proposed.action:
        return f"Proposal {found.id} asks for this already and is {state}; no second one was made."
    return (
        f"Proposal {found.id} on the same target is {state} and asks for something else: "
        f"{summary_of(found.action)}. Nothing else is proposed there until it is closed."
    )
