"""JSON schemas (OpenAPI 3.1) as rows that a person reads: nested ones are expanded, cycles are cut. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

MAX_DEPTH = 6
_REF = "#/components/schemas/"
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
}
_SAMPLES: Mapping[str, Any] = {
    "project": "acme-prod",
    "location": "europe-west4",
    "cluster": "serving",
    "node_pool": "inference",
    "node_count": 4,
    "min_node_count": 1,
    "max_node_count": 6,
    "reason": "the queue grows",
    "text": "scale inference to 4 nodes per zone",
    "digest": "sha256:…",
    "revision": 1,
    "version": "4",
}
"""Property → a value that fits, for examples."""


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a body. `depth` counts from 0."""

    depth: int
    name: str
    type: str
    is_required: bool
    text: str
    values: tuple[str, ...]
    """What it may be, where that is a closed list."""
    limits: tuple[str, ...]


class Shapes:
    """Reads schemas of one OpenAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Schema] = document.get("components", {}).get("schemas", {})

    def rows(self, schema: Schema) -> list[Row]:
        """Return the fields of a body, each followed by its own fields."""
        return list(self._fields(schema, 0, ()))

    def type_of(self, schema: Schema) -> str:
        """Return the type in a few words."""
        if "$ref" in schema:
            name, found = self._named(schema)
            return name if "properties" in found or "oneOf" in found else self.type_of(found)
        options = _options(schema)
        if options:
            return " or ".join(dict.fromkeys(self.type_of(one) for one in options))
        if "const" in schema:
            return json.dumps(schema["const"])
        match schema.get("type"):
            case "array":
                return f"list of {self.type_of(schema['items'])}" if schema.get("items") else "list"
            case "object":
                inner = schema.get("additionalProperties")
                return f"map to {self.type_of(inner)}" if isinstance(inner, Mapping) and inner else "object"
            case "string":
                return {"date-time": "time", "date": "date"}.get(schema.get("format", ""), "string")
            case str() as plain:
                return plain
            case list() as several:
                return " or ".join(several)
            case _:
                return "any JSON"

    def sample(self, schema: Schema, name: str = "", depth: int = 0) -> Any:
        """Return a value that fits: required fields only, the first of several choices."""
        found = self._resolved(schema)
        if name in _SAMPLES:
            return _SAMPLES[name]
        options = [one for one in _options(found) if one.get("type") != "null"]
        if options:
            return self.sample(options[0], name, depth)
        if "const" in found or "enum" in found:
            return found.get("const", (found.get("enum") or [None])[0])
        match found.get("type"):
            case "object" if depth <= MAX_DEPTH:
                # A discriminator has a default, and belongs in an example all the same.
                wanted = {
                    *found.get("required", ()),
                    *(["kind"] if "kind" in found.get("properties", {}) else []),
                }
                properties = found.get("properties", {}).items()
                return {key: self.sample(one, key, depth + 1) for key, one in properties if key in wanted}
            case "array":
                return [self.sample(found["items"], name, depth + 1)] if found.get("minItems") else []
            case "integer" | "number":
                return found.get("minimum", 1)
            case "boolean":
                return False
            case _:
                return "2026-11-21T13:00:00Z" if found.get("format") == "date-time" else "…"

    def _fields(self, schema: Schema, depth: int, above: tuple[str, ...]) -> Iterator[Row]:
        name = schema.get("$ref", "")
        if name in above or depth > MAX_DEPTH:
            return
        above = (*above, name) if name else above
        found = self._resolved(schema)
        options = [one for one in _options(found) if one.get("type") != "null"]
        if len(options) > 1 and all("$ref" in one for one in options):
            for one in options:
                title = self.type_of(one)
                yield Row(
                    depth,
                    f"as {title}",
                    title,
                    False,
                    str(self._resolved(one).get("description", "")),
                    (),
                    (),
                )
                yield from self._fields(one, depth + 1, above)
            return
        for one in options:
            yield from self._fields(one, depth, above)
        if found.get("type") == "array" and found.get("items"):
            yield from self._fields(found["items"], depth, above)
        inner = found.get("additionalProperties")
        if isinstance(inner, Mapping) and inner:
            yield from self._fields(inner, depth, above)
        required = frozenset(found.get("required", ()))
        for key, one in found.get("properties", {}).items():
            yield self._row(depth, key, one, is_required=key in required)
            yield from self._fields(one, depth + 1, above)

    def _row(self, depth: int, name: str, schema: Schema, *, is_required: bool) -> Row:
        found = self._resolved(schema)
        return Row(
            depth=depth,
            name=name,
            type=self.type_of(schema),
            is_required=is_required,
            text=str(
                schema.get("description") or ("" if "properties" in found else found.get("description", ""))
            ),
            values=self.values_of(schema),
            limits=self.limits_of(schema),
        )

    def values_of(self, schema: Schema) -> tuple[str, ...]:
        """Return the closed list of what a value may be; empty where there is none."""
        found = self._resolved(schema)
        if "enum" in found:
            return tuple(str(one) for one in found["enum"])
        inner: Sequence[Schema] = [*_options(found), *([found["items"]] if found.get("items") else [])]
        return tuple(dict.fromkeys(value for one in inner for value in self.values_of(one)))

    def limits_of(self, schema: Schema) -> tuple[str, ...]:
        """Return bounds and the default in words."""
        found = self._resolved(schema)
        words = [
            text.format(_number(one[key]))
            for one in (found, *_options(found))
            for key, text in _LIMITS.items()
            if key in one
        ]
        if schema.get("default") not in (None, "", [], {}):
            words.append(f"otherwise {json.dumps(schema['default'])}")
        return tuple(dict.fromkeys(words))

    def _resolved(self, schema: Schema) -> Schema:
        return self._named(schema)[1] if "$ref" in schema else schema

    def _named(self, schema: Schema) -> tuple[str, Schema]:
        name = str(schema["$ref"]).removeprefix(_REF)
        return name, self._schemas.get(name, {})


def _number(limit: Any) -> str:
    return f"{limit:,.0f}" if isinstance(limit, int | float) and limit == int(limit) else str(limit)


def _options(schema: Schema) -> Sequence[Schema]:
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            found: Sequence[Schema] = schema[key]
            return found
    return ()
