"""Scores a planner: the share of requests that came to exactly the outcome they should. Words are not compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from contracts.base import utc_now
from contracts.principal import Principal, PrincipalKind, Role
from contracts.request import Alert, Channel, Failed, Proposed, Refused, Request, RequestOutcome, Trust, Turn

Plan = Callable[[Request], Awaitable[RequestOutcome]]
"""A planner, from a request to its outcome."""

_ASKING = Principal(kind=PrincipalKind.HUMAN, subject="eval", roles=(Role.REQUESTER,))
_TARGET = ("project", "location", "cluster", "node_pool")


class Case(BaseModel):
    """One request and what it should come to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    text: str = ""
    labels: dict[str, str] | None = None
    earlier: tuple[Turn, ...] = ()
    """Turns of the same conversation before it, oldest first."""
    outcome: str
    reason_code: str | None = None
    actions: tuple[dict[str, Any], ...] = ()

    def request(self) -> Request:
        """Return the case as a request."""
        alert = None
        if self.labels is not None:
            alert = Alert(fingerprint="eval", starts_at=utc_now(), status="firing", labels=self.labels)
        return Request(
            id="req_eval",
            tenant="default",
            requester=_ASKING,
            channel=Channel.EVENT if alert else Channel.CHAT,
            text=self.text,
            alert=alert,
            trust=Trust.UNTRUSTED if alert else Trust.TRUSTED,
            earlier=self.earlier,
            received_at=utc_now(),
        )

    def wanted(self) -> Mapping[str, Any]:
        """Return what is compared, with each action's target spelled out."""
        return {
            "outcome": self.outcome,
            "reason_code": self.reason_code,
            "actions": [_spelled_out(one) for one in self.actions],
        }


@dataclass(frozen=True)
class Miss:
    """A case that came to something else."""

    name: str
    wanted: Mapping[str, Any]
    got: Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """How many cases came out right, and which did not."""

    cases: int
    misses: tuple[Miss, ...]

    @property
    def share(self) -> float:
        """Share of right outcomes, 0 to 1."""
        return 1 - len(self.misses) / self.cases


def load_cases(name: str = "capacity") -> tuple[Case, ...]:
    """Read the cases of a file beside this one."""
    text = resources.files("evals").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return tuple(Case.model_validate(one) for one in yaml.safe_load(text))


async def score(plan: Plan, cases: Sequence[Case]) -> Score:
    """Run every case once."""
    misses = []
    for case in cases:
        got = _compared(await plan(case.request()))
        if got != case.wanted():
            misses.append(Miss(case.name, case.wanted(), got))
    return Score(len(cases), tuple(misses))


def _compared(outcome: RequestOutcome) -> Mapping[str, Any]:
    proposed = outcome.actions if isinstance(outcome, Proposed) else ()
    return {
        "outcome": outcome.outcome,
        "reason_code": outcome.reason_code if isinstance(outcome, Refused | Failed) else None,
        "actions": [one.action.model_dump(mode="json") for one in proposed],
    }


def _spelled_out(action: Mapping[str, Any]) -> dict[str, Any]:
    target = dict(zip(_TARGET, str(action["pool"]).split("/"), strict=True))
    return {**target, **{name: value for name, value in action.items() if name != "pool"}}
