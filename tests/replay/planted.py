"""A workflow that asks the machine for the time. It stands alone: the sandbox loads its whole file anew."""

from __future__ import annotations

import time

from temporalio import workflow

from contracts.messages import PROPOSAL_WORKFLOW, ProposalInput, Standing
from workflows.proposal import ProposalWorkflow


@workflow.defn(name=PROPOSAL_WORKFLOW, sandboxed=False)
class AsksTheMachine(ProposalWorkflow):
    """The same with a look at the machine's clock, which no replay would repeat."""

    @workflow.init
    def __init__(self, start: ProposalInput) -> None:
        """As its parent."""
        super().__init__(start)

    @workflow.run
    async def run(self, start: ProposalInput) -> Standing:
        """Ask, then follow the path."""
        time.time()
        return await super().run(start)
