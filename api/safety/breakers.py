"""Circuit breakers opened by hand: one that guards nothing would be a false comfort, so its name is checked first."""

from __future__ import annotations

from adapters.store import breakers
from adapters.store.database import database_now
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem
from api.safety.schemas import BreakerView, OpenBody
from contracts.action import ACTION_KINDS
from contracts.circuit_breaker import PROVIDERS, BreakerScope, scope_of, target_of
from contracts.principal import Principal


async def open_by_hand(
    parts: ApiParts, breaker_id: str, body: OpenBody, operator: Principal, claim: Claim
) -> Answer:
    """Open a breaker.

    Raises:
        Problem: 422, the id names nothing that a breaker could guard here.
    """
    _guards_something(parts, breaker_id)
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        opened = await breakers.open_by_hand(
            connection,
            breaker_id,
            actor=operator,
            reason=body.reason,
            lasts=body.duration,
            now=await database_now(connection),
            tenant=parts.tenant,
        )
        return await claim.keep(connection, Answer.of(200, BreakerView(**opened.model_dump())))


def _guards_something(parts: ApiParts, breaker_id: str) -> None:
    try:
        scope = scope_of(breaker_id)
    except ValueError:
        named = ", ".join(f"{one.value}:…" for one in BreakerScope)
        raise _unknown(f"{breaker_id!r} is none of {named}.") from None
    name = breaker_id.partition(":")[2]
    target = target_of(breaker_id)
    is_registered = target is not None and parts.configuration.registered(target) is not None
    known = {
        BreakerScope.KIND: name in ACTION_KINDS,
        BreakerScope.PROVIDER: name in PROVIDERS,
        BreakerScope.TARGET: is_registered,
        BreakerScope.AGENT: all(part.strip() for part in name.split("/", 1)) and "/" in name,
        BreakerScope.MODEL: True,
    }
    if not known[scope]:
        raise _unknown(f"{breaker_id!r} guards nothing here: no such {scope.value}.")


def _unknown(detail: str) -> Problem:
    return Problem(422, "breaker_guards_nothing", detail)
