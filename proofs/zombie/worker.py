"""`sluice worker` that stops itself with SIGSTOP, once, at a named point, as if its machine had hung there.

Only the stop is added; every line of the product runs as it is. From outside nobody could hit such a point: some lie
between two instructions.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from activities.execution.activities import EffectActivities
from activities.execution.admission import Admission
from activities.execution.attempt import Granted
from activities.execution.conclusion import Conclusion
from activities.verification.activities import VerificationActivities
from adapters.gke.effector import GkeNodePoolEffector
from adapters.store import intents

POINT, MARK = "PROOF_ZOMBIE_POINT", "PROOF_ZOMBIE_MARK"
INSIDE = "checked, call not sent"
"""The one point that no check can close."""

Stop = Callable[[], None]
Wrapped = Callable[..., Coroutine[Any, Any, Any]]


def _before(inner: Wrapped, stop: Stop) -> Wrapped:
    async def wrapped(*given: Any, **named: Any) -> Any:
        stop()
        return await inner(*given, **named)

    return wrapped


def _after(inner: Wrapped, stop: Stop) -> Wrapped:
    async def wrapped(*given: Any, **named: Any) -> Any:
        found = await inner(*given, **named)
        if found is True or isinstance(found, str | Granted):
            stop()
        return found

    return wrapped


def _deaf(inner: Wrapped, stop: Stop) -> Wrapped:
    """The call goes out after the wake, whatever ran out meanwhile: its bytes were on their way to the socket."""

    async def wrapped(*given: Any, **named: Any) -> Any:
        stop()
        return await asyncio.shield(asyncio.create_task(inner(*given, **named)))

    return wrapped


POINTS: dict[str, tuple[object, str, Callable[[Wrapped, Stop], Wrapped]]] = {
    "intent written, target not read": (Admission, "forward", _after),
    "target read, fence not checked": (EffectActivities, "_call", _before),
    "fence checked, clock not looked at": (intents, "is_current", _after),
    INSIDE: (GkeNodePoolEffector, "set_size", _deaf),
    "call answered, answer not recorded": (GkeNodePoolEffector, "set_size", _after),
    "operation over, receipt not written": (Conclusion, "write", _before),
    "outcome read, not concluded": (VerificationActivities, "_conclude", _before),
}
"""Point → whose method is wrapped, and how."""


@contextmanager
def stopping(point: str, mark: Path) -> Iterator[None]:
    """Let this process stop itself at a point, once; `mark` is written right before."""
    owner, name, wrap = POINTS[point]

    def stop() -> None:
        if not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)

    with ExitStack() as patches:
        patches.enter_context(patch.object(owner, name, wrap(getattr(owner, name), stop)))
        yield


if __name__ == "__main__":
    from cli.main import app

    with stopping(os.environ[POINT], Path(os.environ[MARK])):
        app()
