"""What a halt or a break-glass grant covers: the fields of a form to a `HaltScope`, and a scope in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from api import words
from api.fleet.schemas import FleetPool
from api.web.forms import FieldRefused
from contracts.action import ACTION_KINDS
from contracts.configuration import Configuration
from contracts.safety import HaltScope

EVERYTHING = "everything"
"""What has to be typed before everything is stopped; also the value of that choice."""
SOME = "some"
FIELDS = ("environment", "target", "action_kind", "agent")
MOST_NAMED = 12
"""Pools of a preview that are named; all of them are counted."""


KIND_OPTIONS = [("", "any kind"), *((kind, words.action_kind(kind)) for kind in ACTION_KINDS)]


def scope_of(fields: Mapping[str, str], unchosen: str = "Choose what to stop.") -> HaltScope:
    """Return the scope of a submitted form, or of an address. `unchosen`: what to say where nothing is chosen.

    Raises:
        FieldRefused: nothing is chosen, or nothing is named.
    """
    covers = fields.get("covers", "")
    if covers == EVERYTHING:
        return HaltScope(everything=True)
    if covers != SOME:
        raise FieldRefused("covers", unchosen)
    named = {name: fields.get(name, "").strip() for name in FIELDS}
    given = {name: value for name, value in named.items() if value}
    if not given:
        raise FieldRefused("environment", "Name at least one of environment, target, kind and agent.")
    if given.get("target") == "*":
        raise FieldRefused("target", "A * alone is everything: choose that above.")
    if "*" in given.get("agent", ""):
        raise FieldRefused("agent", "A * names no agent. Leave it empty for any agent and any person.")
    try:
        return HaltScope.model_validate(given)
    except ValidationError as error:
        raise FieldRefused("covers", "This page did not offer that. Reload it.") from error


def scope_fields(scope: HaltScope) -> dict[str, str]:
    """Return the form's fields for a scope: the way back of `scope_of`."""
    named = {name: value for name in FIELDS if (value := getattr(scope, name))}
    return {"covers": EVERYTHING if scope.everything else SOME, **named}


def scope_words(scope: HaltScope) -> list[tuple[str, str]]:
    """Return a scope as names and values; empty for everything."""
    parts = [
        ("tenant", scope.tenant),
        ("environment", scope.environment),
        ("target", scope.target),
        ("kind", words.action_kind(scope.action_kind) if scope.action_kind else None),
        ("agent", scope.agent),
    ]
    return [(name, value) for name, value in parts if value]


def agents_of(configuration: Configuration) -> list[str]:
    """Return the agents that the configuration names: those it declares, and those with a budget of their own."""
    budgeted = {one.scope.agent for one in configuration.budgets if one.scope.agent is not None}
    return sorted({*configuration.agents, *budgeted})


def targets_of(pools: Iterable[FleetPool]) -> list[str]:
    """Return what a target field offers: each cluster as a prefix, then each pool."""
    keys = [pool.key for pool in pools]
    return [*sorted({key.rpartition("/")[0] + "/*" for key in keys}), *keys]


def covered(scope: HaltScope, pools: tuple[FleetPool, ...], tenant: str) -> list[FleetPool]:
    """Return the pools that a scope covers, whatever kind of change and whatever agent it names."""
    place = scope.model_copy(update={"agent": None})
    return [
        pool
        for pool in pools
        if place.covers(
            tenant=tenant,
            environment=pool.environment,
            target_key=pool.key,
            action_kind=scope.action_kind or "",
            authors=(),
        )
    ]
