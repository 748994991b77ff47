"""Base of every noun, and the one canonical form in which nouns are hashed and signed.

Canonical form: RFC 8785 (JSON Canonicalization Scheme) over the model's JSON dump. Decimals and times are
strings there, so no number can lose digits.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785
from pydantic import BaseModel, ConfigDict

from contracts.canonical import canonical_bytes


class Contract(BaseModel):
    """A frozen noun. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", allow_inf_nan=False)


def unsaid(value: object) -> bool:
    """Tell whether a field that came later says nothing: `Field(default=None, exclude_if=unsaid)`.

    Such a field is left out of the dump, so that what was hashed or signed before it existed keeps its bytes.
    """
    return value is None or value == () or value == {}


def canonical_json(value: BaseModel | dict[str, Any] | list[Any]) -> bytes:
    """Return the RFC 8785 bytes of a model or of plain JSON.

    Raises:
        rfc8785.CanonicalizationError: the value holds something JSON cannot carry exactly.
    """
    if isinstance(value, BaseModel):
        return canonical_bytes(value.model_dump(mode="json"))
    return rfc8785.dumps(value)


def digest_of(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """Return `sha256:<64 hex>` over the canonical form."""
    return _digest(canonical_json(value))


def digest_of_plain(value: dict[str, Any]) -> str:
    """Return `digest_of` a document that holds nothing but what `json.loads` could have returned: the same, sooner."""
    return _digest(canonical_bytes(value))


def _digest(canonical: bytes) -> str:
    return "sha256:" + hashlib.sha256(canonical).hexdigest()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A noun in each form in which it is kept, all made from one dump."""

    document: dict[str, Any]
    """Plain JSON. It must not be changed."""
    text: str
    """Its canonical form."""
    digest: str
    """`digest_of` the noun."""


def sealed(value: BaseModel) -> Sealed:
    """Return a noun's document, canonical text and digest.

    Raises:
        rfc8785.CanonicalizationError: the value holds something JSON cannot carry exactly.
    """
    document = value.model_dump(mode="json")
    canonical = canonical_bytes(document)
    return Sealed(document, canonical.decode(), _digest(canonical))


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as `prp_5f0c9e…`: a readable prefix and 80 random bits."""
    return f"{prefix}_{secrets.token_hex(10)}"


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)
