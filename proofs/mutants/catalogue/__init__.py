"""The list of guard mutants, by area."""

from __future__ import annotations

from itertools import chain

from proofs.mutants.catalogue import approvals, breakers, combination, effects, gates, money, rates, records
from proofs.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = tuple(
    chain.from_iterable(
        group
        for area in (gates, rates, breakers, money, approvals, combination, effects, records)
        for group in area.GROUPS
    )
)
"""Every mutant. Names are unique."""
