"""REQUEST → PROPOSAL: from how somebody names a node pool to the registered pools that can be meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.planners.phrases import Named
from contracts.action import NodePoolTarget
from contracts.configuration import Target

Pools = Sequence[tuple[NodePoolTarget, Target]]


@dataclass(frozen=True)
class Meant:
    """The pools a name fits. `exact`: the name is a pool's whole name, not a part of it."""

    pools: tuple[NodePoolTarget, ...]
    exact: bool


def find_named(named: Named, pools: Pools) -> Meant:
    """Return the pools in all the named places that carry the name, or else have it as a part of theirs."""
    here = [target for target, entry in pools if all(_is_in(place, target, entry) for place in named.places)]
    exact = tuple(target for target in here if target.node_pool == named.name)
    if exact:
        return Meant(exact, exact=True)
    return Meant(tuple(target for target in here if named.name in target.node_pool.split("-")), exact=False)


def find_labelled(labels: Mapping[str, str], pools: Pools) -> tuple[NodePoolTarget, ...]:
    """Return the pools that the labels `project`, `location`, `cluster`, `node_pool` describe, each if given."""
    given = {name: labels[name] for name in ("project", "location", "cluster", "node_pool") if name in labels}
    if "node_pool" not in given:
        return ()
    return tuple(target for target, _ in pools if given.items() <= target.model_dump().items())


def spell(target: NodePoolTarget) -> str:
    """Return a pool's name for a person."""
    return f"{target.project}/{target.cluster}/{target.node_pool}"


def _is_in(place: str, target: NodePoolTarget, entry: Target) -> bool:
    return place in (target.project, target.location, target.cluster, entry.environment, entry.team)
