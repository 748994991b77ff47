"""Asks OPA what it runs. Words for people: a guard pass counts on none of this."""

from __future__ import annotations

from api.parts import ApiParts
from contracts.errors import PolicyUnavailable
from contracts.ports import PoliciesInForce


async def in_force(parts: ApiParts) -> PoliciesInForce:
    """Return the policies in force, by name.

    Raises:
        PolicyUnavailable: OPA does not answer, or this process was given no address of it.
    """
    if parts.policies is None:
        raise PolicyUnavailable("this process was given no address of OPA")
    return await parts.policies.in_force()
