"""Shapes of change windows, their overrides and break-glass grants over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.safety.schemas import HeldProposal
from contracts.break_glass import BreakGlassStatus
from contracts.configuration import MOST_GATES, Gate, WindowKind, WindowScope
from contracts.decision import MAX_REASON
from contracts.principal import Role
from contracts.proposal import ProposalState
from contracts.safety import HaltScope

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REASON)]
"""What a person says. Blanks alone say nothing."""


class WindowView(BaseModel):
    """One declared change window and where it stands."""

    name: str
    kind: WindowKind
    scope: WindowScope
    time_zone: str
    schedule: str
    """In one line: the cron expression and duration, the two moments, or the calendar's name."""
    lasts: bool
    """Whether this moment lies in it."""
    changes_at: datetime | None
    """When that changes; null: not within ten years."""
    override_roles: tuple[Role, ...]
    held: tuple[HeldProposal, ...] = ()
    """What waits for it, in the order in which it goes on; the first 20."""
    held_count: int = 0
    warning: str
    """Empty unless somebody should look: an allow window that never comes again closes for good."""


class Opening(BaseModel):
    """Whether all windows together let changes take place in one environment, and when that changes."""

    environment: str
    team: str | None
    """None: every team that is not named beside it."""
    is_open: bool
    closed_by: tuple[str, ...]
    """Names of the windows that close it now."""
    changes_at: datetime | None
    """When it opens next, or while it is open, closes next; null: not in sight."""
    time_zone: str
    """The one of its windows; `UTC` where they differ."""
    narrower: tuple[str, ...]
    """Windows there for one target or one kind of action: what they cover may stand otherwise."""


class Windows(BaseModel):
    """Every declared change window, in the order of the configuration, and what they come to."""

    at: datetime
    items: tuple[WindowView, ...]
    openings: tuple[Opening, ...] = ()
    """By environment, and by team where teams differ; only where a window is declared."""


class OverrideBody(BaseModel):
    """Which gate to let a proposal through, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Literal["change_window"]
    reason: Words


class Overridden(BaseModel):
    """The windows that no longer close this revision."""

    proposal_id: str
    override_id: str
    windows: tuple[str, ...]
    expires_at: datetime
    state: ProposalState


class OpenGrantBody(BaseModel):
    """What to open, for whom it counts, why, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: HaltScope
    gates: Annotated[tuple[Gate, ...], Field(min_length=1, max_length=MOST_GATES)]
    reason: Words
    minutes: Annotated[int, Field(ge=1, le=24 * 60)]
    """From the confirmation on; at most what the configuration allows."""


class ReviewBody(BaseModel):
    """What the review came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: Words


class GrantUse(BaseModel):
    """A proposal that went through because of the grant."""

    proposal_id: str
    revision: int
    gates: tuple[Gate, ...]
    at: datetime


class GrantView(BaseModel):
    """One break-glass grant. People are `issuer/subject`."""

    id: str
    scope: HaltScope
    gates: tuple[Gate, ...]
    reason: str
    minutes: int
    status: BreakGlassStatus
    """At the database's clock: what has expired is not `active`, whether a sweep wrote it down or not."""
    opened_by: str
    opened_at: datetime
    confirm_by: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    expires_at: datetime | None
    ended_by: str | None
    ended_at: datetime | None
    reviewed_by: str | None
    review: str
    reviewed_at: datetime | None
    uses: tuple[GrantUse, ...]


class Grants(BaseModel):
    """Break-glass grants, newest first; at most 100."""

    at: datetime
    items: tuple[GrantView, ...]
