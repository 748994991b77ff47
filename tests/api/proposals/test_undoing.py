from __future__ import annotations

import pytest

from api.problems import Problem
from api.proposals.undoing import prior_action
from contracts.proposal import ProposalState as S
from tests.api.serving import Api
from tests.contracts.samples import observation, resize


def test_what_no_one_call_restores_is_not_undone() -> None:
    with pytest.raises(Problem) as refused:
        prior_action(resize(), observation(2, 3, 2))
    assert (refused.value.status, refused.value.code) == (409, "not_reversible")


async def test_only_what_succeeded_and_changed_something_is_undone(api: Api) -> None:
    proposal_id = (await api.waiting())["id"]
    refused = await api.post(f"/v1/proposals/{proposal_id}/undo", by="ana")
    assert (refused.status_code, refused.json()["reason_code"]) == (409, "nothing_to_undo")
    await api.move(proposal_id, S.READY, S.EXECUTING, S.VERIFYING, S.SUCCEEDED)
    refused = await api.post(f"/v1/proposals/{proposal_id}/undo", by="ana")
    assert (refused.status_code, refused.json()["reason_code"]) == (409, "nothing_to_undo")
    assert await api.count("proposals") == 1
