"""The canonical form: RFC 8785 (JSON Canonicalization Scheme). Digests, signatures and audit leaves are made of it.

`rfc8785` defines it and is asked whenever something is unusual. It is pure Python and takes most of an audit event's
time, so plain documents take a shorter way: the C encoder of the standard library, whose bytes are the same when keys
are ASCII, integers short, and numbers written without an exponent. A test holds the two together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import rfc8785

_SHORT = 15
"""Digits up to which every integer is exact in an IEEE 754 double; 2**53 has sixteen."""
_SAME_IN_BOTH = re.compile(r"-?(?!0\.0000)[0-9]+\.[0-9]*[1-9]")
"""Python and ECMAScript write such a number alike: shortest form, no exponent, no trailing zero.

Below 0.0001 Python writes an exponent, ECMAScript only below 0.000001.
"""
_WHOLE = re.compile(r"\.0[,}\]]|\.0$")
"""Where a whole number may stand that Python writes as `1.0` and ECMAScript as `1`."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


class _UnusualError(Exception):
    """Left to `rfc8785`."""


def canonical_bytes(plain: Any) -> bytes:
    """Return the RFC 8785 bytes of plain JSON: what `json.loads` could have returned, with text as every key.

    Raises:
        rfc8785.CanonicalizationError: it holds something JSON cannot carry exactly.
    """
    try:
        written = _ENCODER.encode(plain)
        read = (_read if written.isascii() else _read_with_keys)(written)
        if _WHOLE.search(written):
            written = _ENCODER.encode(read)
        return written.encode()
    except (_UnusualError, ValueError, RecursionError):
        return rfc8785.dumps(plain)


def is_canonical(written: bytes) -> bool:
    """Tell whether bytes are the RFC 8785 form of one JSON object, so that every reader reads the same in them."""
    try:
        text = written.decode()
        try:
            plain = (_read if text.isascii() else _read_with_keys)(text)
            again = _ENCODER.encode(plain).encode()
        except _UnusualError:
            # As ECMAScript reads it: every number is a double.
            plain = json.loads(text, parse_int=float)
            again = rfc8785.dumps(plain)
    except (ValueError, RecursionError):
        return False
    return isinstance(plain, dict) and again == written


def _float(written: str) -> float:
    if _SAME_IN_BOTH.fullmatch(written):
        return float(written)
    if written.endswith(".0"):
        return _integer(written.removesuffix(".0"))
    raise _UnusualError


def _integer(written: str) -> int:
    if len(written) > _SHORT:
        raise _UnusualError
    return int(written)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Sorted by UTF-16 in the RFC and by code point here: the same as long as they are ASCII.
    if not all(key.isascii() for key, _ in pairs):
        raise _UnusualError
    return dict(pairs)


_read: Callable[[str], Any] = json.JSONDecoder(parse_float=_float, parse_int=_integer).decode
_read_with_keys: Callable[[str], Any] = json.JSONDecoder(
    parse_float=_float, parse_int=_integer, object_pairs_hook=_object
).decode
