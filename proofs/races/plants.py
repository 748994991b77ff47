"""Bugs, planted into the processes that race: the proof must find each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

import adapters.store.proposals
import contracts.eligibility
from adapters.store.schema import proposals
from proofs.simulation.plants import digest_unbound
from proofs.simulation.wiring import replaced


@contextmanager
def unlocked() -> Iterator[None]:
    """Whoever acts on a proposal reads it and locks nothing."""

    async def read(connection: AsyncConnection, proposal_id: str) -> Row[Any]:
        return (await connection.execute(select(proposals).where(proposals.c.id == proposal_id))).one()

    with replaced(adapters.store.proposals, "lock", read):
        yield


@contextmanager
def authors_may_vote() -> Iterator[None]:
    """Nobody asks who wrote the proposal."""
    real = contracts.eligibility.reviewer_refusal
    with replaced(
        contracts.eligibility, "reviewer_refusal", lambda reviewer, _, wanted: real(reviewer, (), wanted)
    ):
        yield


PLANTS: Mapping[str, Callable[[], AbstractContextManager[None]]] = MappingProxyType(
    {
        "": nullcontext,
        "lock": unlocked,
        "digest": digest_unbound,
        "authors": authors_may_vote,
    }
)
"""Name on the command line → the bug."""
