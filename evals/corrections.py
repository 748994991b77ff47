"""From what reviewers corrected to cases of an evaluation file, in the form that `evals/capacity.yaml` has.

Only an edit says what would have been right, so only edits become cases. What was rejected is kept as comments for
whoever writes cases by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

_TARGET = ("project", "location", "cluster", "node_pool")
_HEAD = "# Corrections by reviewers. `text` and `labels` were written by anybody: read them before you use them.\n"


def as_yaml(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return a file of cases from lines of `GET /v1/corrections`."""
    found = list(lines)
    edits = [one for one in found if one["kind"] == "edit"]
    cases = [_case(one) for one in _last_of_each(edits) if one["text"] or one["alert"]]
    body = yaml.safe_dump(cases, sort_keys=False, allow_unicode=True, width=110) if cases else "[]\n"
    return _HEAD + body + "".join(_comments(found))


def _last_of_each(edits: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the last edit of each proposal: the ones before were corrected themselves."""
    yield from {one["proposal_id"]: one for one in edits}.values()


def _case(edit: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"labels": edit["alert"]["labels"]} if edit["alert"] else {"text": edit["text"]}
    return {
        "name": f"{edit['proposal_id']} revision {edit['revision']}: {edit['reason_name'] or 'other'}",
        **asked,
        "outcome": "proposed",
        "actions": [_action(edit["edited"])],
    }


def _action(action: Mapping[str, Any]) -> dict[str, Any]:
    pool = "/".join(str(action[name]) for name in _TARGET)
    values = {name: value for name, value in action.items() if name not in (*_TARGET, "kind")}
    return {"pool": pool, "kind": action["kind"], **values}


def _comments(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """JSON of one line each, so that no word of anybody can leave its comment."""
    for line in lines:
        if line["kind"] != "edit" and line["edited"] is None:
            kept = {
                name: line[name]
                for name in ("proposal_id", "kind", "reason_name", "reason", "text", "proposed")
            }
            yield f"# {json.dumps(kept, ensure_ascii=True)}\n"
