"""The edge of every activity: our errors become Temporal's, typed by reason code; no vendor text enters a history.

A failure is stored in the workflow's history and shown in the UI, so only our own sentence goes there, never a cause.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from contracts.errors import SluiceError

logger = structlog.get_logger(__name__)


class ErrorTranslation(Interceptor):
    """Give it to every worker. `retryable` of our errors decides whether Temporal tries again."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Wrap the activity."""
        return _Translated(next)


class _Translated(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        try:
            return await super().execute_activity(input)
        except (FailureError, asyncio.CancelledError):
            raise
        except SluiceError as error:
            logger.warning(
                "activity.failed", reason_code=error.reason_code, retryable=error.retryable, exc_info=True
            )
            raise application_error(error) from None
        except Exception as error:
            logger.exception("activity.broke")
            raise _unknown(error) from None


def application_error(error: SluiceError) -> ApplicationError:
    """Return our error as Temporal carries it: `type` is the reason code."""
    return ApplicationError(str(error), type=error.reason_code, non_retryable=not error.retryable)


def _unknown(error: Exception) -> ApplicationError:
    return ApplicationError(f"unexpected {type(error).__name__}", type="internal_error")
