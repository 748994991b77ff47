"""The simulation: sound seeds stay sound, a seed replays, planted bugs are found, and no boundary is forgotten."""

from __future__ import annotations

import pytest

from proofs.simulation.boundaries import AFTER, BEFORE
from proofs.simulation.plants import PLANTS
from proofs.simulation.running import Tally, boundaries, simulate

FOUND_WITHIN = 100
"""Seeds."""


def test_no_invariant_breaks_and_a_seed_replays_to_the_letter() -> None:
    seeds = [*range(12), 7, 7]
    kept: list[Tally] = []
    tally = simulate(seeds, batch=1, done=kept.append)
    assert tally.faults == {}
    assert tally.crashed.total() > 0
    assert tally.effects > 0
    first, *again = (one.steps[7] for one in kept if 7 in one.steps)
    assert again == [first, first]


@pytest.mark.parametrize("plant", [name for name in PLANTS if name])
def test_a_planted_bug_is_found(plant: str) -> None:
    tally = simulate(range(FOUND_WITHIN), plant, batch=10, done=lambda batch: bool(batch.faults))
    assert tally.faults


def test_every_commit_send_and_result_of_the_path_is_a_boundary() -> None:
    known = boundaries()
    assert len(known) == len(set(known))
    for name in (
        f"activities.execution.admission.forward{BEFORE}",
        f"activities.guardrail.activities._run (1){AFTER}",
        f"api.proposals.decisions.decide{AFTER}",
        "set_size after the effect, before the answer",
        "execute_action result lost",
    ):
        assert name in known
