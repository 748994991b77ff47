"""Outputs to try: valid ones that were damaged, in their structure or their text, and ones grown from a grammar."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

from proofs.llm_fuzz import ground

Calls = list[dict[str, Any]]

NUMBERS = (
    -1, 0, 13, 999, 1_000, 1_001, 2**31, 2**53, 2**63, 2**64, 10**400, -(10**400), 0.5, 4.0, 1e3, -0.0,
    1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
WORDS = (
    "", " ", "4", "04", "4.0", "true", "null", "*", "..", "../other", "a\nb", "a\r\nb", "a\x00b",
    "\x1b[2J", "-", "serving\n", " serving", "serving/../other", "sеrving", "ѕerving", "ｓerving",
    "serving\u200b", "\u202eecivres", "İ", "ß", "\ufeff", "\u2028", "\ud800", "\udfff", "🚀", "a" * 39,
    "a" * 41, "a" * 5_000, "${jndi:ldap://x}", "{{7*7}}", "'; drop table proposals; --",
    "<script>alert(1)</script>", "prp_1", "acme-other", "us-east1", "default", "gke.node_pool.delete",
    "gke.cluster.delete", "gke.node_pool.resize ", "GKE.NODE_POOL.RESIZE", "kubectl", "approve",
    "gke.node_pool.resize", "gke.node_pool.autoscaling", "approved", "executed", "proposed", "answered",
    "failed",
)  # fmt: skip
FIELDS = (
    "tenant", "approved", "approved_by", "approvals", "decision", "signature", "quorum", "requirement",
    "roles", "limits", "max_nodes_per_zone", "budget", "override", "halt", "dry_run", "skip_guardrails",
    "environment", "team", "mode", "authors", "requester", "priority", "execute_by", "decide_by",
    "delta", "node_count ", "Node_Count", "nodeCount", "__class__", "__proto__", "$ref",
    "schema_version", "reason_code", "outcome", "kind", "action", "node_count", "min_node_count",
    "max_node_count", "project", "location", "cluster", "node_pool", "text", "confidence", "evidence",
    "node_cоunt", "node_count\u200b", "",
)  # fmt: skip
TOOLS = (
    *ground.READS,
    "finish",
    "Finish",
    "finish ",
    "approve",
    "decide",
    "execute",
    "resize_node_pool",
    "shell",
    "",
)
PIECES = (
    "{", "}", "[", "]", ",", ":", '"', "\\", "\\u0000", "\\ud800", "\\udc00", "\\u", "NaN", "Infinity",
    "-Infinity", "1e999", "0x10", "01", "+1", "1_000", "'", "//", "/* */", "\ufeff", "\x00", "\x0b",
    "\u2028", "\u00a0", "null", "true", "```json", '"node_count":999,', '"node_count":1,',
    '"kind":"gke.node_pool.delete",', '"approved":true,', '"project":"acme-other",',
    '"outcome":"proposed",', '"confidence":"1",', "</finish>", "<|im_end|>", "\ud800", "é", "😀", " " * 3,
    "\n", "0" * 50,
)  # fmt: skip


def mutated(chance: random.Random) -> Calls:
    """Return a valid reply that was damaged once to four times."""
    calls = ground.valid(chance)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        chance.choices(_DAMAGES, _WEIGHTS)[0](calls, chance)
    return calls


def grown(chance: random.Random) -> Calls:
    """Return a reply whose shape is that of an answer here and there, and whose leaves are anything."""
    count = chance.choice((0, 1, 1, 1, 1, 2, 3, 7))
    return [
        ground.call(
            "finish" if chance.random() < 0.7 else chance.choice(TOOLS), _grown_finish(chance), index % 5
        )
        for index in range(count)
    ]


def anything(chance: random.Random, depth: int = 3) -> Any:
    """Return any document."""
    kind = chance.randrange(9 if depth else 6)
    if kind < 2:
        return chance.choice(NUMBERS)
    if kind < 4:
        return chance.choice(WORDS)
    if kind < 6:
        return chance.choice((None, True, False))
    if kind == 6:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(FIELDS): anything(chance, depth - 1) for _ in range(chance.randrange(4))}


def _grown_finish(chance: random.Random) -> Any:
    if chance.random() < 0.1:
        return anything(chance)
    document = ground.finish(chance)
    for name in list(document):
        if chance.random() < 0.15:
            document[name] = anything(chance)
    if isinstance(document.get("actions"), list):
        document["actions"] = [_grown_action(chance, one) for one in document["actions"]]
    return document


def _grown_action(chance: random.Random, entry: Any) -> Any:
    if chance.random() < 0.1 or not isinstance(entry, dict):
        return anything(chance)
    action = {
        name: value if chance.random() < 0.85 else anything(chance, 1)
        for name, value in ground.action(chance).items()
    }
    extra = {chance.choice(FIELDS): anything(chance, 1)} if chance.random() < 0.2 else {}
    return entry | {"action": action | extra}


def _replace(calls: Calls, chance: random.Random) -> None:
    holder, key = _somewhere(calls, chance)
    holder[key] = anything(chance, 1)


def _tune(calls: Calls, chance: random.Random) -> None:
    """Another number or word where one stands: what stays readable, and asks for something else."""
    holder, key = _somewhere(calls, chance)
    if isinstance(holder[key], str):
        holder[key] = chance.choice(WORDS)
    elif isinstance(holder[key], int | float):
        holder[key] = chance.choice((*NUMBERS, str(holder[key]), [holder[key]], True))


def _drop(calls: Calls, chance: random.Random) -> None:
    holder, key = _somewhere(calls, chance)
    if key != "arguments":
        del holder[key]


def _smuggle(calls: Calls, chance: random.Random) -> None:
    holder, _ = _somewhere(calls, chance)
    if isinstance(holder, dict) and "arguments" not in holder:
        holder[chance.choice(FIELDS)] = chance.choice((*NUMBERS, *WORDS, True, None))


def _double(calls: Calls, chance: random.Random) -> None:
    holder, key = _somewhere(calls, chance)
    if isinstance(holder, list):
        holder.extend(copy.deepcopy(holder[key]) for _ in range(chance.choice((1, 1, 5, 25))))


def _nest(calls: Calls, chance: random.Random) -> None:
    holder, key = _somewhere(calls, chance)
    if key != "arguments":
        holder[key] = {"action": holder[key]} if chance.random() < 0.5 else [holder[key]]


def _rename(calls: Calls, chance: random.Random) -> None:
    one = chance.choice(calls)
    field = chance.choice(("name", "name", "id"))
    one[field] = chance.choice(TOOLS if field == "name" else WORDS)


def _insert(calls: Calls, chance: random.Random) -> None:
    def put(text: str) -> str:
        at = chance.randint(0, len(text))
        return text[:at] + chance.choice(PIECES) + text[at:]

    _in_text(calls, chance, put)


def _insert_member(calls: Calls, chance: random.Random) -> None:
    """A member before others of an object: the same name twice, or one that does not belong there."""

    def put(text: str) -> str:
        places = [at + 1 for at, character in enumerate(text) if character == "{"]
        at = chance.choice(places) if places else 0
        value = json.dumps(chance.choice((*NUMBERS, *WORDS, True, None)))
        return f"{text[:at]}{json.dumps(chance.choice(FIELDS))}:{value},{text[at:]}"

    _in_text(calls, chance, put)


def _cut(calls: Calls, chance: random.Random) -> None:
    def cut(text: str) -> str:
        begin = chance.randint(0, len(text))
        return text[:begin] + text[begin + chance.choice((1, 1, 2, 8, len(text))) :]

    _in_text(calls, chance, cut)


def _flip(calls: Calls, chance: random.Random) -> None:
    def flip(text: str) -> str:
        if not text:
            return text
        at = chance.randrange(len(text))
        return text[:at] + chr(ord(text[at]) ^ (1 << chance.randrange(7))) + text[at + 1 :]

    _in_text(calls, chance, flip)


def _wrap(calls: Calls, chance: random.Random) -> None:
    depth = chance.choice((1, 40, 300, 5_000))
    around = chance.choice(_AROUND)
    _in_text(calls, chance, lambda text: around[0] * depth + text + around[1] * depth)


_AROUND = (("[", "]"), ('{"a":', "}"), ("```json\n", "\n```"), ("", " {}"), ("\ufeff", ""), ("(", ")"))


def _in_text(calls: Calls, chance: random.Random, change: Callable[[str], str]) -> None:
    one = chance.choice(calls)
    one["arguments"] = change(ground.as_text(one["arguments"]))


def _somewhere(calls: Calls, chance: random.Random) -> tuple[Any, Any]:
    """Return a random place in the documents of the calls: a container and a key or index of it."""
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [one["arguments"] for one in calls]
    for one in waiting:
        if isinstance(one, dict | list):
            for key in one if isinstance(one, dict) else range(len(one)):
                places.append((one, key))
                waiting.append(one[key])
    return chance.choice(places) if places else (chance.choice(calls), "arguments")


_DAMAGES: tuple[Callable[[Calls, random.Random], None], ...] = (
    _replace, _tune, _drop, _smuggle, _double, _nest, _rename, _insert, _insert_member, _cut, _flip, _wrap,
)  # fmt: skip
_WEIGHTS = (6, 8, 3, 5, 2, 2, 2, 4, 4, 2, 6, 1)
