"""What can be wrong with a network, as toxiproxy makes it. Data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from proofs.network.toxiproxy import DOWN, UP, Proxy, Toxic


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a network is wrong, for a while."""

    name: str
    toxics: tuple[Toxic, ...] = ()
    beside: Callable[[Proxy], Awaitable[None]] | None = None
    """What is no toxic of its own."""
    keeps: bool = False
    """Whether connections survive it, with all that was sent in them meanwhile."""

    async def strike(self, proxies: Sequence[Proxy]) -> None:
        """Begin."""
        for proxy in proxies:
            if self.beside is not None:
                await self.beside(proxy)
            await proxy.spoil(*self.toxics)

    async def end(self, proxies: Sequence[Proxy]) -> None:
        """Let the network be whole again."""
        for proxy in proxies:
            await proxy.heal(keep=self.keeps)


def _both(kind: str, **attributes: int) -> tuple[Toxic, ...]:
    return (Toxic(kind, UP, attributes), Toxic(kind, DOWN, attributes))


NO_FAULT = Fault("no fault", keeps=True)
"""What the others are compared with."""
_NEVER = 600_000
"""Milliseconds: longer than any fault lasts."""

FAULTS = (
    Fault("latency", _both("latency", latency=150, jitter=120), keeps=True),
    Fault("reset", beside=Proxy.reset),
    Fault("refused", beside=Proxy.refuse),
    Fault("half-open", (Toxic("timeout", DOWN, {"timeout": 0}),)),
    Fault("black hole", _both("timeout", timeout=0)),
    # Nothing is lost: what was sent meanwhile arrives when it is over.
    Fault("frozen", _both("latency", latency=_NEVER), keeps=True),
    Fault("cut", (Toxic("limit_data", DOWN, {"bytes": 1_500}),)),
    # What the limit ends is told to the client only later.
    Fault(
        "slow close",
        (Toxic("limit_data", DOWN, {"bytes": 1_500}), Toxic("slow_close", DOWN, {"delay": 1_500})),
    ),
    Fault("narrow", _both("bandwidth", rate=1)),
)
"""Latency is 150 ± 120 ms each way; narrow is 1 kB/s; cut and slow close end each connection after 1,500 bytes."""
