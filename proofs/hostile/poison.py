"""From the catalogue of kinds to what is sent: each kind at each entrance where it can stand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from proofs.hostile.kinds import ADDRESSES, BODIES, HEADERS, TEXTS, VALUES
from tests.api.serving import RESIZE

CHAT, ALERT, API, MODEL = "chat", "alert", "api", "model"
_HERE = "\ue0ffHERE\ue0ff"
"""Where the poison goes in a document; a code point that no kind uses."""
_RAW = "RAW:"
_ALERT = {
    "status": "firing",
    "labels": {"alertname": "QueueTooLong", "cluster": "serving"},
    "annotations": {"summary": "the queue grows"},
    "startsAt": "2026-11-21T12:00:00Z",
    "fingerprint": "f",
}
_PROPOSAL = {"action": RESIZE, "reason": "the queue grows"}


@dataclass(frozen=True, slots=True)
class Poison:
    """One poisoned call."""

    entrance: str
    kind: str
    """Its name in the catalogue; the place where it stands follows behind ` in `."""
    method: bytes
    target: bytes
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw_header: bytes = b""
    is_framing: bool = False
    """It breaks HTTP itself: the server below the application may answer, or just close."""

    @property
    def name(self) -> str:
        """How a fault names it."""
        return f"{self.entrance}: {self.kind}"


def everything() -> list[Poison]:
    """Return every poisoned call over HTTP, in the order of the catalogue."""
    return [*_chat(), *_alerts(), *_proposals(), *_raw()]


def caller_at(entrance: str) -> str:
    """Return who may call there: alerts come from a service, all else from a person."""
    return "bell" if entrance == ALERT else "ana"


def kinds_at(entrance: str, sent: list[Poison]) -> int:
    """Return how many kinds of the catalogue stand at an entrance."""
    return len({one.kind.partition(" in ")[0] for one in sent if one.entrance == entrance})


def _chat() -> Iterator[Poison]:
    yield from _texts(CHAT, "/v1/requests", {"the text": {"text": _HERE}})
    yield from _values(
        CHAT,
        "/v1/requests",
        {"the text": {"text": _HERE}, "the conversation": {"text": "scale", "conversation_id": _HERE}},
    )
    yield from _bodies(CHAT, "/v1/requests")


def _alerts() -> Iterator[Poison]:
    def alert(**changes: Any) -> dict[str, Any]:
        return {"version": "4", "alerts": [_ALERT | changes]}

    path = "/v1/events/alertmanager"
    yield from _texts(
        ALERT,
        path,
        {
            "a label": alert(labels={"alertname": _HERE}),
            "an annotation": alert(annotations={"summary": _HERE}),
            "a label's name": alert(labels={_HERE: "a"}),
            "the fingerprint": alert(fingerprint=_HERE),
        },
    )
    yield from _values(
        ALERT,
        path,
        {
            "the begin": alert(startsAt=_HERE),
            "the labels": alert(labels=_HERE),
            "the alerts": {"version": "4", "alerts": _HERE},
        },
    )
    yield from _bodies(ALERT, path)


def _proposals() -> Iterator[Poison]:
    path = "/v1/proposals"
    yield from _texts(
        API,
        path,
        {
            "the reason": _PROPOSAL | {"reason": _HERE},
            "the cluster": _PROPOSAL | {"action": RESIZE | {"cluster": _HERE}},
            "a field's name": _PROPOSAL | {"action": RESIZE | {_HERE: 1}},
        },
    )
    yield from _values(
        API,
        path,
        {
            "the count": _PROPOSAL | {"action": RESIZE | {"node_count": _HERE}},
            "the kind": _PROPOSAL | {"action": RESIZE | {"kind": _HERE}},
            "the action": _PROPOSAL | {"action": _HERE},
            "dry run": _PROPOSAL | {"dry_run": _HERE},
        },
    )
    yield from _bodies(API, path)


def _raw() -> Iterator[Poison]:
    good = json.dumps({"text": "scale"}).encode()
    for name, line in HEADERS.items():
        yield Poison(API, f"header {name}", b"POST", b"/v1/requests", good, raw_header=line, is_framing=True)
    for name, target in ADDRESSES.items():
        yield Poison(API, f"address {name}", b"GET", target, is_framing=True)


def _texts(entrance: str, path: str, documents: Mapping[str, Any]) -> Iterator[Poison]:
    for place, document in documents.items():
        for name, text in TEXTS.items():
            body = with_poison(document, text)
            yield Poison(entrance, f"text {name} in {place}", b"POST", path.encode(), body)


def _values(entrance: str, path: str, documents: Mapping[str, Any]) -> Iterator[Poison]:
    for place, document in documents.items():
        for name, value in VALUES.items():
            body = with_poison(document, value)
            yield Poison(entrance, f"value {name} in {place}", b"POST", path.encode(), body)


def _bodies(entrance: str, path: str) -> Iterator[Poison]:
    for name, (body, headers) in BODIES.items():
        yield Poison(entrance, f"body {name}", b"POST", path.encode(), body, headers)


def with_poison(document: Any, poison: Any) -> bytes:
    """Return a document as JSON with the poison where it is marked. Half a surrogate pair stays an escape."""
    is_raw = isinstance(poison, str) and poison.startswith(_RAW)
    written = poison.removeprefix(_RAW) if is_raw else json.dumps(poison)
    return json.dumps(document).replace(json.dumps(_HERE), written).encode()
