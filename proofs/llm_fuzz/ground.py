"""The world that a fuzzed model speaks to: what is registered, who asked, and valid outputs to start from."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

from contracts.configuration import Configuration
from contracts.ports import ModelReply, ToolCall
from contracts.principal import Principal, PrincipalKind, Role
from contracts.request import Channel, Request, Trust

TENANT = "fuzz"
MAX_NODES = 12
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLACE = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving"}
CONFIGURATION = Configuration.model_validate(
    {
        "environments": {"production": {"approval": {"quorum": 1}}},
        "targets": [
            {
                "kind": "gke.node_pool",
                **PLACE,
                "environment": "production",
                "team": "inference",
                "max_nodes_per_zone": MAX_NODES,
            }
        ],
    }
)
REQUEST = Request(
    id="req_fuzz",
    tenant=TENANT,
    requester=Principal(kind=PrincipalKind.HUMAN, subject="ana", roles=(Role.REQUESTER,)),
    channel=Channel.CHAT,
    text="scale the inference pool",
    trust=Trust.TRUSTED,
    received_at=NOW,
)
READS = ("list_targets", "read_node_pool", "list_operations", "recent_changes", "budget_left", "node_price")


def valid(chance: random.Random) -> list[dict[str, Any]]:
    """Return the calls of a reply that is valid: one `finish`, or a few reads. Each is `{id, name, arguments}`."""
    if chance.random() < 0.8:
        return [call("finish", finish(chance))]
    names = chance.choices(READS, k=chance.randint(1, 3))
    return [call(name, read_arguments(name), index) for index, name in enumerate(names)]


def call(name: str, arguments: Any, index: int = 0) -> dict[str, Any]:
    """Return a call whose arguments are still a document."""
    return {"id": f"call_{index}", "name": name, "arguments": arguments}


def finish(chance: random.Random) -> dict[str, Any]:
    """Return valid arguments of `finish`; most propose something."""
    outcome = chance.choices(("proposed", "answered", "asked", "refused"), (7, 1, 1, 1))[0]
    document: dict[str, Any] = {"outcome": outcome, "text": "The queue grows, so the pool should too."}
    if outcome == "proposed":
        document["actions"] = [proposed(chance) for _ in range(chance.choice((1, 1, 1, 2, 5)))]
    return document


def proposed(chance: random.Random) -> dict[str, Any]:
    """Return one valid entry of `actions`."""
    entry: dict[str, Any] = {
        "action": action(chance),
        "rationale": "p95 of the queue is above its goal",
        "confidence": chance.choice((0, 0.5, 0.93, 1, 1.0)),
    }
    if chance.random() < 0.5:
        entry["evidence"] = ["read_node_pool: 2 nodes per zone"]
    return entry


def action(chance: random.Random) -> dict[str, Any]:
    """Return a valid action on the registered cluster, within its limits."""
    place = PLACE | {"node_pool": chance.choice(("inference", "batch", "a"))}
    count = chance.randint(0, MAX_NODES)
    if chance.random() < 0.6:
        return {"kind": "gke.node_pool.resize", **place, "node_count": count}
    bounds = {"min_node_count": chance.randint(0, max(count, 1)), "max_node_count": max(count, 1)}
    return {"kind": "gke.node_pool.autoscaling", **place, **bounds}


def read_arguments(name: str) -> dict[str, Any]:
    """Return valid arguments of a reading tool."""
    return {} if name == "list_targets" else PLACE | {"node_pool": "inference"}


def as_reply(calls: list[dict[str, Any]], text: str = "") -> ModelReply:
    """Return the reply that a model's calls are; arguments that are no text yet are written as JSON.

    Raises:
        ValueError: our own noun cannot carry it, for example half a surrogate pair.
    """
    return ModelReply(
        text=text,
        tool_calls=tuple(
            ToolCall(id=one["id"], name=one["name"], arguments=as_text(one["arguments"])) for one in calls
        ),
        input_tokens=100,
        output_tokens=20,
    )


def as_text(arguments: Any) -> str:
    """Return arguments as the text in which they travel."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
