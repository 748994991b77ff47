"""`sluice worker` or `sluice api` under libfaketime, with or without a planted bug."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

PLANT = "PROOF_CLOCKS_PLANT"


def _sleep(seconds: float) -> None:
    """Sleep as `time.sleep` does, which fails under libfaketime 0.9.10: it shifts the monotonic moment to wake at."""
    select.select([], [], [], seconds)


@contextmanager
def own_clock() -> Iterator[None]:
    """A planted bug: this process's clock is asked whether a vote, or a pass before an effect, comes in time."""
    import activities.guardrail.activities
    import api.proposals.decisions
    from proofs.own_clock import AtOwnClock

    overdue = activities.guardrail.activities.overdue  # type: ignore[attr-defined]
    locked = api.proposals.decisions.locked  # type: ignore[attr-defined]

    async def own_locked(*given: Any) -> Any:
        return AtOwnClock(await locked(*given))

    def own_overdue(row: Any, _: datetime, *, admitting: bool) -> str | None:
        late: str | None = overdue(row, datetime.now(UTC), admitting=admitting)
        return late

    with ExitStack() as patches:
        patches.enter_context(patch.object(api.proposals.decisions, "locked", own_locked))
        patches.enter_context(patch.object(activities.guardrail.activities, "overdue", own_overdue))
        yield


if __name__ == "__main__":
    from cli.main import app

    with ExitStack() as stack:
        stack.enter_context(patch.object(time, "sleep", _sleep))
        if os.environ.get(PLANT):
            stack.enter_context(own_clock())
        app()
