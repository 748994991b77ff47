"""Design §9: a guard pass takes at most six round trips to the database, BEGIN and COMMIT counted, and one commit."""

from __future__ import annotations

from contracts.proposal import ProposalState
from tests.activities.guardrail.conftest import Guards
from tests.round_trips import round_trips


async def test_both_passes_take_at_most_six_round_trips_and_one_commit(guards: Guards) -> None:
    proposal = await guards.propose_in_development()
    with round_trips(guards.database) as first:
        assert (await guards.check(proposal)).state is ProposalState.READY
    with round_trips(guards.database) as second:
        assert (await guards.admit(proposal)).admitted
    for queries in (first, second):
        assert 4 < len(queries) <= 6, queries
        assert [query for query in queries if query.startswith("COMMIT")] == ["COMMIT;"]
