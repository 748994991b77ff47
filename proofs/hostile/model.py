"""The same poison out of the mouth of a model, through the real reader of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from contracts.errors import ModelRefused
from contracts.ports import ModelReply, ToolCall
from proofs.hostile.kinds import BODIES, TEXTS, VALUES
from proofs.hostile.poison import with_poison
from proofs.llm_fuzz.ground import PLACE
from proofs.llm_fuzz.judge import faults
from proofs.llm_fuzz.rig import Rig

_HERE = "\ue0ffHERE\ue0ff"
_ACTION = {"kind": "gke.node_pool.resize", **PLACE, "node_pool": "inference", "node_count": 2}


def _finish(text: Any = "ok", rationale: Any = "because", **changes: Any) -> dict[str, Any]:
    action = {"action": _ACTION | changes, "rationale": rationale, "confidence": 0.5}
    return {"outcome": "proposed", "text": text, "actions": [action]}


def everything() -> Iterator[tuple[str, str]]:
    """Yield each kind's name, and the arguments of `finish` that hold it."""
    for name, text in TEXTS.items():
        yield f"text {name} in the text", with_poison(_finish(text=_HERE), text).decode()
        yield f"text {name} in the rationale", with_poison(_finish(rationale=_HERE), text).decode()
        yield f"text {name} in the pool", with_poison(_finish(node_pool=_HERE), text).decode()
        yield (
            f"text {name} unescaped",
            json.dumps(_finish(text=_HERE)).replace(json.dumps(_HERE), f'"{text}"'),
        )
    for name, value in VALUES.items():
        yield f"value {name} in the count", with_poison(_finish(node_count=_HERE), value).decode()
        yield f"value {name} in the text", with_poison(_finish(text=_HERE), value).decode()
        yield f"value {name} in a member", with_poison(_finish(approved_by=_HERE), value).decode()
    for name, (body, _) in BODIES.items():
        yield f"body {name}", body[:100_000].decode("utf-8", "surrogateescape")


async def judged() -> tuple[int, int, list[str]]:
    """Send all of it; return how many answers, how many kinds, and the faults."""
    rig, found, sent, kinds = Rig(), list[str](), 0, set[str]()
    for name, arguments in everything():
        sent += 1
        kinds.add(name.partition(" in ")[0].removesuffix(" unescaped"))
        try:
            reply = ModelReply(tool_calls=(ToolCall(id="c", name="finish", arguments=arguments),))
        except ValueError:
            continue  # the adapter refuses what is no text
        try:
            found += [f"model: {name}: {fault}" for fault in faults(reply, await rig.take(reply))]
        except ModelRefused:
            continue
        except Exception as error:  # noqa: BLE001  whatever it is, it is not the typed refusal
            found.append(f"model: {name}: raised {type(error).__name__}")
    return sent, len(kinds), found
