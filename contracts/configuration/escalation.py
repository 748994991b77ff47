"""How people are told again while a proposal waits for them: a reminder, others, then a page."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, TypeAdapter, ValidationError, model_validator

from contracts.base import Contract
from contracts.configuration.values import Duration
from contracts.principal import GroupName, Role

NEVER = "never"
_PERCENT = re.compile(r"(\d{1,2})%")
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


class ReminderStep(StrEnum):
    """What happens while nobody decides, in this order."""

    REMIND = "remind"
    ESCALATE = "escalate"
    PAGE = "page"


class Due(NamedTuple):
    """When a step is due, counted from when the proposal began to wait: one of the two is given."""

    share: float | None = None
    """Of the time to decide, above 0 and below 1."""
    after: timedelta | None = None


def due_of(point: str) -> Due | None:
    """Return when a step is due; None: never.

    Raises:
        ValueError: it is neither a share of the time to decide, nor a length of time, nor `never`.
    """
    if point == NEVER:
        return None
    found = _PERCENT.fullmatch(point)
    if found is not None and int(found[1]):
        return Due(share=int(found[1]) / 100)
    try:
        after = _DURATION.validate_python(point)
    except ValidationError:
        after = timedelta(0)
    if found is not None or after <= timedelta(0):
        raise ValueError("must be a share of the time to decide (50%), a length of time (2h), or never")
    return Due(after=after)


def _point(value: str) -> str:
    due_of(value)
    return value


Point = Annotated[str, AfterValidator(_point)]
"""`50%` of the time to decide, `2h` after it began to wait, or `never`."""


class Told(Contract):
    """Who is told when it escalates. They are told only: who may decide stays as the guardrails said."""

    roles: tuple[Role, ...] = (Role.OPERATOR,)
    groups: tuple[GroupName, ...] = ()

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if not self.roles and not self.groups:
            raise ValueError("name at least one role or group")
        return self


class Reminders(Contract):
    """When those who can decide are reminded, others told, and somebody paged."""

    remind_after: Point = "50%"
    escalate_after: Point = "75%"
    escalate_to: Told = Told()
    page_after: Point = "90%"

    @model_validator(mode="after")
    def _are_in_order(self) -> Self:
        shares = [due.share for due in self.steps.values() if due.share is not None]
        lengths = [due.after for due in self.steps.values() if due.after is not None]
        if shares != sorted(shares) or lengths != sorted(lengths):
            raise ValueError("remind_after, escalate_after and page_after must come in this order")
        return self

    @property
    def steps(self) -> dict[ReminderStep, Due]:
        """Every step that is ever due, in order."""
        points = (self.remind_after, self.escalate_after, self.page_after)
        found = {step: due_of(point) for step, point in zip(ReminderStep, points, strict=True)}
        return {step: due for step, due in found.items() if due is not None}
