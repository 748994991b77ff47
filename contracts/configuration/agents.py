"""Who answers for an agent. Whoever owns one that had a hand in a proposal does not decide on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from contracts.base import Contract
from contracts.principal import CAPACITY_AGENT

AgentName = Annotated[str, Field(pattern=r"^\S{1,200}$")]
"""Subject of an agent, whoever vouches for it, or issuer/subject: `capacity-agent`, `sluice/capacity-agent`."""
OwnerName = Annotated[str, Field(pattern=r"^(\S+/\S+|[a-z][a-z0-9_.-]{0,62})$", max_length=401)]
"""A person as issuer/subject, or a group of people: `local/ana`, `ml-platform`."""


SHIPPED_AGENTS: frozenset[str] = frozenset({CAPACITY_AGENT.spelled})
"""Agents that come with Sluice, as issuer/subject: rules may name them without a declaration."""


def is_known_agent(name: str, declared: Iterable[str]) -> bool:
    """Tell whether a rule may name this agent: as it is declared or shipped, with or without its issuer."""
    known = {*declared, *SHIPPED_AGENTS}
    subjects = {one.rpartition("/")[2] for one in known}
    return name in known or name in subjects or name.rpartition("/")[2] in {*declared}


class DeclaredAgent(Contract):
    """What is declared about one agent."""

    owner: OwnerName
    """A name without an issuer is taken as a group, and as a person of this installation as well."""
