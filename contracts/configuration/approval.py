"""When a person must look, who that is, when nobody need be asked, and how long people have."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from contracts.base import Contract, unsaid
from contracts.configuration.conditions import AskWhen, PassWhen, Spoken
from contracts.configuration.escalation import Reminders
from contracts.configuration.values import Duration, Name
from contracts.principal import GroupName, Role

_LONGEST = timedelta(days=30)
MIN_SALT = 16


def _within_limits(value: timedelta) -> timedelta:
    if value <= timedelta(0) or value > _LONGEST:
        raise ValueError("must be above zero and at most 30 days")
    return value


Window = Annotated[Duration, AfterValidator(_within_limits)]


class Required(Spoken):
    """Who must approve where a rule asks."""

    quorum: int = Field(default=1, ge=1, le=10)
    roles: tuple[Role, ...] = Field(default=(Role.APPROVER,), min_length=1)
    """Each of these roles must be among the approvers."""
    groups: tuple[GroupName, ...] = ()
    """Each of these groups must be among them."""


class ApprovalRule(Spoken):
    """Asks people. All rules that match are united: highest quorum, all roles and groups, shortest times."""

    name: Name
    when: AskWhen
    require: Required = Required()
    decide_within: Window | None = Field(default=None, exclude_if=unsaid)
    """From the first guard pass of a revision. It shortens the time to decide and never extends it."""
    execute_within: Window | None = Field(default=None, exclude_if=unsaid)
    """Added to the time to decide; shortens too."""


class AutomaticApproval(Spoken):
    """Delegates what an environment asks for: nobody need approve what matches, but for a sample."""

    name: Name
    when: PassWhen
    sample: float = Field(ge=0, le=1)
    """Share that still asks a person. Needed, so that nobody forgets it."""

    @model_validator(mode="after")
    def _is_for_something(self) -> Self:
        if self.when.everything:
            raise ValueError("everything is never automatic: say what is")
        return self


class ApprovalLimits(Contract):
    """When a person must look although the environment asks for nobody, and how long they have."""

    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Below this an agent's proposal needs a person."""
    max_monthly_delta: Decimal | None = Field(default=None, ge=0)
    """Above this rise in cost per month a person must approve."""
    untrusted_needs_person: bool = False
    """Whether every proposal that stems from untrusted text needs a person. One that a model made of such text always
    does; the rules planner reads a few labels and nothing else."""
    decide_within: Duration = timedelta(hours=4)
    execute_within: Duration = timedelta(hours=1)
    """Added to `decide_within`: the last moment an effect may start."""
    reminders: Reminders = Reminders()
    rules: tuple[ApprovalRule, ...] = ()
    automatic: tuple[AutomaticApproval, ...] = ()
    sample_salt: str = Field(default="", repr=False)
    """Text that nobody who proposes knows, at least 16 characters: it decides which proposals are sampled."""

    @field_validator("decide_within", "execute_within")
    @classmethod
    def _is_positive(cls, value: timedelta) -> timedelta:
        return _within_limits(value)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        seen: set[str] = set()
        for name in [*(rule.name for rule in self.rules), *(rule.name for rule in self.automatic)]:
            if name in seen:
                raise ValueError(f"the rule {name!r} is named twice")
            seen.add(name)
        return self

    @model_validator(mode="after")
    def _samples_cannot_be_foreseen(self) -> Self:
        if any(one.sample > 0 for one in self.automatic) and len(self.sample_salt) < MIN_SALT:
            raise ValueError(f"sample_salt must have at least {MIN_SALT} characters where a sample is drawn")
        return self
