"""What an activity's failure looks like in a history."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.errors import ErrorTranslation
from contracts.errors import PolicyUnavailable, StoreUnavailable

SECRET = "postgresql://user:hunter2@db"


class Raises(ActivityInboundInterceptor):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> object:  # noqa: A002
        raise self.error from ConnectionError(SECRET)


async def failure_of(error: BaseException) -> BaseException:
    wrapped = ErrorTranslation().intercept_activity(Raises(error))
    given = ExecuteActivityInput(fn=failure_of, args=[], executor=None, headers={})
    with pytest.raises(BaseException) as failed:
        await wrapped.execute_activity(given)
    return failed.value


@pytest.mark.parametrize(
    ("error", "code", "final"),
    [
        (StoreUnavailable("later"), "store_unavailable", False),
        (PolicyUnavailable("no"), "policy_unavailable", True),
        (ValueError(SECRET), "internal_error", False),
    ],
)
async def test_an_error_is_typed_by_its_code_and_carries_no_cause(
    error: Exception, code: str, final: bool
) -> None:
    failure = await failure_of(error)
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.non_retryable) == (code, final)
    assert failure.__cause__ is None
    assert "hunter2" not in str(failure)


async def test_what_temporal_understands_passes_as_it_is() -> None:
    typed = ApplicationError("x", type="mine")
    assert await failure_of(typed) is typed
    assert isinstance(await failure_of(asyncio.CancelledError()), asyncio.CancelledError)
