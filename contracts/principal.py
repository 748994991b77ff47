"""Who acts: people, agents and services. REQUEST and APPROVAL use it; AUDIT records it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.base import Contract, unsaid

GroupName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,62}$")]
"""A group of people as this configuration names it, for example `finance`."""


LOCAL = "local"
"""Issuer of who holds a token of this installation."""


class PrincipalKind(StrEnum):
    """What kind of actor stands behind a subject."""

    HUMAN = "human"
    AGENT = "agent"
    SERVICE = "service"


class Role(StrEnum):
    """What a principal may do. Roles do not include one another."""

    VIEWER = "viewer"
    REQUESTER = "requester"
    APPROVER = "approver"
    OPERATOR = "operator"
    ADMIN = "admin"


class Principal(Contract):
    """An authenticated actor.

    `subject` is unique within `issuer`. An agent never holds a role that decides, stops or resolves.
    """

    kind: PrincipalKind
    subject: str = Field(min_length=1, max_length=200)
    issuer: str = Field(default=LOCAL, min_length=1, max_length=200)
    roles: tuple[Role, ...] = ()
    groups: tuple[GroupName, ...] = Field(default=(), max_length=50, exclude_if=unsaid)
    """Groups that whoever vouches for the subject puts them in. A group gives no right by itself."""

    @model_validator(mode="after")
    def _agents_never_approve(self) -> Self:
        if self.kind is not PrincipalKind.HUMAN and Role.APPROVER in self.roles:
            raise ValueError(f"only humans hold the role approver, and this is kind {self.kind}")
        if self.kind is PrincipalKind.AGENT and {Role.OPERATOR, Role.ADMIN} & set(self.roles):
            raise ValueError("an agent holds neither operator nor admin")
        return self

    @property
    def key(self) -> str:
        """`issuer/subject`, one text per actor: an issuer may hold slashes, so those of a subject are written `%2F`.

        What has neither slash nor percent sign in its subject is written as it is.
        """
        return f"{self.issuer}/{self.subject.replace('%', '%25').replace('/', '%2F')}"

    @property
    def spelled(self) -> str:
        """`issuer/subject` as people write it. Where a subject holds slashes, `key` alone tells actors apart."""
        return f"{self.issuer}/{self.subject}"

    @property
    def names(self) -> frozenset[str]:
        """What an operator may call it: its subject alone, or the whole."""
        return frozenset({self.subject, self.spelled})

    def same_as(self, other: Principal) -> bool:
        """Tell whether both name the same actor, whatever their roles were at the time."""
        return (self.issuer, self.subject) == (other.issuer, other.subject)


def whole(name: str) -> str:
    """Return a name with its issuer: one without is this installation's."""
    return name if "/" in name else f"{LOCAL}/{name}"


def pair_of(key: str) -> tuple[str, str]:
    """Return issuer and subject of `Principal.key`; a name without an issuer is this installation's."""
    issuer, _, subject = whole(key).rpartition("/")
    return issuer or LOCAL, subject.replace("%2F", "/").replace("%25", "%")


def service(subject: str) -> Principal:
    """Return the principal of one of our own processes, for example `sluice-worker`."""
    return Principal(kind=PrincipalKind.SERVICE, subject=subject, issuer="sluice")


SYSTEM = service("sluice")
"""Actor of moves that no person asked for: expiry, verification, housekeeping."""
CAPACITY_AGENT = Principal(kind=PrincipalKind.AGENT, subject="capacity-agent", issuer="sluice")
"""The agent that ships, as an author: it had a hand in the proposal, so it counts against its limits."""
