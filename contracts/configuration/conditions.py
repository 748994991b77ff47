"""When a rule of the operator's file applies. All given conditions must hold; blank never means "always"."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from contracts.action import ACTION_KINDS
from contracts.base import Contract, unsaid
from contracts.configuration.values import Label, LabelValue, Name
from contracts.evaluation import RiskTier
from contracts.proposal import PlannerKind
from contracts.request import Channel, Trust

T = TypeVar("T")
_Some = Annotated[tuple[T, ...], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[Decimal, Field(ge=0)]


class Spoken(Contract):
    """What an operator writes. A key without a value is refused: blank would have to mean something."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_blank(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name, value in given.items():
                if value is None:
                    raise ValueError(f"{name} is blank: give it a value or leave it out")
        return given


class Conditions(Spoken):
    """What rules that ask and rules that let pass have in common. A list holds when any of its values fits."""

    environments: _Some[Name] | None = Field(default=None, exclude_if=unsaid)
    risk: _Some[RiskTier] | None = Field(default=None, exclude_if=unsaid)
    action_kinds: _Some[str] | None = Field(default=None, exclude_if=unsaid)
    trust: Trust | None = Field(default=None, exclude_if=unsaid)
    channels: _Some[Channel] | None = Field(default=None, exclude_if=unsaid)
    planner: _Some[PlannerKind] | None = Field(default=None, exclude_if=unsaid)
    agents: _Some[str] | None = Field(default=None, exclude_if=unsaid)
    """Subject, or issuer/subject, of an agent that had a hand in it."""
    teams: _Some[Name] | None = Field(default=None, exclude_if=unsaid)
    labels: Annotated[dict[Label, LabelValue], Field(min_length=1)] | None = Field(
        default=None, exclude_if=unsaid
    )
    """Labels of the registered target, all of them."""
    production: bool | None = Field(default=None, exclude_if=unsaid)
    everything: Literal[True] | None = Field(default=None, exclude_if=unsaid)
    """The one way to say "always"; it stands alone."""

    @field_validator("action_kinds")
    @classmethod
    def _kinds_are_known(cls, given: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = [kind for kind in given or () if kind not in ACTION_KINDS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no kind of action")
        return given

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        said = self.model_fields_set
        if not said:
            raise ValueError("says nothing; write `everything: true` when it is for all")
        if "everything" in said and len(said) > 1:
            raise ValueError("everything stands alone")
        return self


class AskWhen(Conditions):
    """When people must be asked. What is not known counts as if it held."""

    monthly_delta_above: Amount | None = Field(default=None, exclude_if=unsaid)
    """Rise in cost per month, in the currency of the price list."""
    confidence_below: Share | None = Field(default=None, exclude_if=unsaid)
    """Of a proposal that an agent had a hand in; none stated counts as 0."""


class PassWhen(Conditions):
    """When nobody need be asked. What is not known counts as if it did not hold."""

    monthly_delta_at_most: Amount | None = Field(default=None, exclude_if=unsaid)
    confidence_at_least: Share | None = Field(default=None, exclude_if=unsaid)
    """Of a proposal that an agent had a hand in; none stated counts as 0. One without an agent holds."""
