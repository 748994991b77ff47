"""What the chat pages show of a conversation: steps in words, outcomes in sentences. Pure: views in, words out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from api.requests.schemas import TurnView
from contracts.base import new_id
from contracts.principal import Principal, Role
from contracts.request import MAX_REQUEST_TEXT, AgentStep, RequestStatus

MAX_TEXT = MAX_REQUEST_TEXT
_PLACE = ("project", "location", "cluster", "node_pool")
"""Arguments that name a target, in the order in which its path is written."""
_MAX_VALUE = 80

_OUTCOMES: Mapping[RequestStatus, tuple[str, str, str]] = {
    RequestStatus.ANSWERED: ("Answered", "ok", "Nothing is to be changed."),
    RequestStatus.ASKED: ("Asks back", "note", "Answer below to go on."),
    RequestStatus.REFUSED: ("Refused", "warn", "Nothing was proposed."),
    RequestStatus.PROPOSED: ("Proposed", "note", "Guardrails and, where they ask for it, people decide."),
    RequestStatus.FAILED: ("Failed", "danger", "Nothing was proposed. You can ask again."),
}
_EXAMPLES: Mapping[str, Sequence[str]] = {
    "practice": (
        "how big is inference in acme-prod?",
        "scale inference in acme-prod to 4",
        "scale web in acme-prod up by 1 per zone",
        "set autoscaling of batch-autoscaled in acme-prod to 1-6",
        "list pools",
    ),
}
_ANYWHERE: Sequence[str] = ("list pools", "help")


@dataclass(frozen=True)
class Chip:
    """One step of the planner in words. `about` is what a model spelled: unverified."""

    kind: Literal["model", "tool"]
    words: str
    about: str
    error: str | None


@dataclass(frozen=True)
class Turn:
    """One turn with what the template needs beside it."""

    view: TurnView
    chips: tuple[Chip, ...]

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still to come."""
        return not self.view.status.is_final

    @property
    def outcome(self) -> tuple[str, str, str]:
        """The outcome's name, its tone, and what it means."""
        return _OUTCOMES[self.view.status]

    @property
    def live(self) -> str:
        """Tokens of what changes it (`data-live`): its own close, and the state of its proposals."""
        return " ".join(
            [f"request:{self.view.request_id}"] + [f"proposal:{one}" for one in self.view.proposal_ids]
        )


def turn_of(view: TurnView) -> Turn:
    """Return a turn as it is shown."""
    return Turn(view, tuple(_chip(step) for step in view.steps))


def examples(mode: str) -> Sequence[str]:
    """Return requests that work here: the practice fleet's pools are known, those of others are not."""
    return _EXAMPLES.get(mode, _ANYWHERE)


def may_ask(me: Principal) -> bool:
    """Tell whether this person may ask."""
    return Role.REQUESTER in me.roles


def fresh_key() -> str:
    """Return the key that makes pressing twice one request."""
    return new_id("key")


def _chip(step: AgentStep) -> Chip:
    if step.kind == "model":
        return Chip("model", "Asked the model", step.name, step.error)
    words = re.sub(r"[_.]+", " ", step.name).strip()
    return Chip("tool", (words[:1].upper() + words[1:]) or "Tool", in_words(step.arguments), step.error)


def in_words(arguments: Mapping[str, JsonValue]) -> str:
    """Return arguments as people read them: a target as a path, the rest as `name value`. chat.js does the same."""
    place = "/".join(str(arguments[name]) for name in _PLACE if name in arguments)
    rest = [
        f"{name.replace('_', ' ')} {str(value)[:_MAX_VALUE]}"
        for name, value in arguments.items()
        if name not in _PLACE
    ]
    return ", ".join([*([place[: 4 * _MAX_VALUE]] if place else []), *rest][:6])
