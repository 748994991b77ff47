"""What may become of a model's output, said once more and apart from the code that reads it.

It reads the same text with another reader, a strict one, and asks whether each proposal is exactly what stands there,
of the catalogue's two actions, for the tenant and in the name of whoever asked, and denied unless its target is
registered and its size within the target's limit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from contracts.evaluation import Outcome, Verdict
from contracts.ports import ModelReply
from contracts.principal import CAPACITY_AGENT
from contracts.proposal import Draft
from contracts.request import Proposed
from proofs.llm_fuzz.ground import MAX_NODES, PLACE, REQUEST
from proofs.llm_fuzz.rig import Taken

_CLUSTER = "projects/acme-prod/locations/europe-west4/clusters/serving"
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
_PLACE_FIELDS = {"kind", *PLACE, "node_pool"}
_COUNTS = {
    "gke.node_pool.resize": {"node_count"},
    "gke.node_pool.autoscaling": {"min_node_count", "max_node_count"},
}
_MOST_PER_ZONE = 1_000


class NotOneReading(ValueError):
    """Two readers could understand the text differently, or it is no JSON."""


def faults(reply: ModelReply, taken: Taken) -> list[str]:
    """Return what is not as it must be with what became of a reply, in words."""
    return [*_of_reads(taken), *_of_storage(taken), *_of_proposals(reply, taken)]


def _of_reads(taken: Taken) -> Iterator[str]:
    if any(one != _CLUSTER for one in taken.read):
        yield "the provider was asked about a target that nobody registered"


def _of_storage(taken: Taken) -> Iterator[str]:
    """PostgreSQL keeps no NUL, and nothing keeps half a surrogate pair."""
    try:
        written = json.dumps(taken.update, ensure_ascii=False, allow_nan=False)
        written.encode()
    except ValueError as error:
        yield f"what became of it cannot be stored: {type(error).__name__}"
        return
    # Written above without escapes but for these.
    if "\\u0000" in written.replace("\\\\", ""):
        yield "what became of it holds a NUL character"


def _of_proposals(reply: ModelReply, taken: Taken) -> Iterator[str]:
    if taken.result is None or not isinstance(taken.result.outcome, Proposed):
        return
    if [one.name for one in reply.tool_calls] != ["finish"]:
        yield "proposals without exactly one call of finish"
        return
    try:
        said = strictly(reply.tool_calls[0].arguments)
        meant = _meant(said)
    except (NotOneReading, KeyError, TypeError, AttributeError, RecursionError) as error:
        yield f"proposed although a strict reader refuses it: {type(error).__name__} {error}"
        return
    found = [
        [one.action.model_dump(mode="json"), one.rationale, one.confidence, list(one.evidence)]
        for one in taken.result.outcome.actions
    ]
    if _spelled(found) != _spelled(meant) or len(taken.drafts) != len(meant):
        yield "the proposals are not what stands in the output"
    for (draft, verdict), one in zip(taken.drafts, meant, strict=False):
        yield from _of_draft(draft, one[0])
        yield from _of_verdict(draft, verdict, one[0])


def strictly(text: str) -> Any:
    """Return the one reading of a JSON text.

    Raises:
        NotOneReading: it has none: an object names a key twice, NaN, an infinity, half a surrogate pair, no JSON.
    """
    try:
        read = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
        json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise NotOneReading(str(error)[:80]) from error
    return read


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise NotOneReading("a key stands twice")
    return dict(pairs)


def _refused(name: str) -> Any:
    raise NotOneReading(name)


def _meant(said: Any) -> list[list[Any]]:
    """Return action, rationale, confidence and evidence of each proposal.

    Raises:
        NotOneReading, KeyError, TypeError, AttributeError: it is no proposal at all.
    """
    _must(set(said) == {"outcome", "text", "actions"} and said["outcome"] == "proposed", "members of finish")
    _must(isinstance(said["actions"], list) and 0 < len(said["actions"]) <= 5, "number of actions")
    meant = []
    for one in said["actions"]:
        _must(set(one) - {"evidence"} == {"action", "rationale", "confidence"}, "members of an entry")
        confidence, evidence = one["confidence"], one.get("evidence", [])
        _must(type(confidence) in (int, float) and 0 <= confidence <= 1, "confidence")
        _must(isinstance(one["rationale"], str) and 0 < len(one["rationale"]) <= 4_000, "rationale")
        _must(isinstance(evidence, list) and all(isinstance(word, str) for word in evidence), "evidence")
        _check_action(one["action"])
        meant.append([one["action"], one["rationale"], confidence, evidence])
    return meant


def _check_action(action: Any) -> None:
    counts = _COUNTS[action["kind"]]
    _must(set(action) == _PLACE_FIELDS | counts, "members of an action")
    for name in counts:
        _must(type(action[name]) is int and 0 <= action[name] <= _MOST_PER_ZONE, name)
    for name in ("cluster", "node_pool"):
        _must(_NAME.fullmatch(action[name]) is not None, name)


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise NotOneReading(what)


def _spelled(proposals: list[list[Any]]) -> str:
    """Return them as text in which 1, 1.0 and true are told apart, but for the confidence."""
    told = [[action, words, float(sure), evidence] for action, words, sure, evidence in proposals]
    return json.dumps(told, sort_keys=True)


def _of_draft(draft: Draft, action: dict[str, Any]) -> Iterator[str]:
    expected = {
        "tenant": REQUEST.tenant,
        "revision": 1,
        "request_id": REQUEST.id,
        "undoes": None,
        "authors": (REQUEST.requester, CAPACITY_AGENT),
        "channel": REQUEST.channel,
        "trust": REQUEST.trust,
        "mode": "practice",
        "dry_run": False,
        "priority": 3,
        "environment": "production" if _is_registered(action) else "",
    }
    for name, value in expected.items():
        if getattr(draft, name) != value:
            yield f"the draft's {name} is {getattr(draft, name)!r}"
    if draft.decide_by <= draft.created_at or draft.execute_by <= draft.decide_by:
        yield "the draft's deadlines are not in order"


def _of_verdict(draft: Draft, verdict: Verdict, action: dict[str, Any]) -> Iterator[str]:
    wanted = action.get("node_count", action.get("max_node_count", 0))
    may = _is_registered(action) and wanted <= MAX_NODES
    if not may and verdict.outcome is not Outcome.DENY:
        yield f"{draft.action.target.key} to {wanted} is not denied"


def _is_registered(action: dict[str, Any]) -> bool:
    return all(action[name] == value for name, value in PLACE.items())
