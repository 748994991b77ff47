"""The list of guard mutants, by area."""

from __future__ import annotations

from itertools import chain

from proofs.mutants.catalogue import (
    approvals,
    attempts,
    breakers,
    combination,
    conclusions,
    effects,
    endings,
    entrances,
    exceptions,
    gates,
    handing_over,
    lending,
    money,
    outcomes,
    rates,
    records,
    secrecy,
)
from proofs.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = tuple(
    chain.from_iterable(
        group
        for area in (
            gates,
            exceptions,
            rates,
            breakers,
            money,
            approvals,
            lending,
            combination,
            effects,
            attempts,
            outcomes,
            conclusions,
            endings,
            handing_over,
            records,
            entrances,
            secrecy,
        )
        for group in area.GROUPS
    )
)
"""Every mutant. Names are unique."""
