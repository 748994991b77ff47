"""The short way to the canonical form writes the same bytes as RFC 8785's own implementation, or gives way to it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.canonical import canonical_bytes, is_canonical

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=600, deadline=None)
@given(PLAIN)
@example({"\ufb33": 1, "\U0001f600": 2, "z": 3})
@example(
    [
        0.5,
        1.0,
        -0.0,
        100.0,
        -7.0,
        123456789012345.0,
        1234567890123456.0,
        "1.0,",
        1e21,
        1e16,
        1e-5,
        0.0001,
        123456789012345.6,
        5e-324,
        2**53 - 1,
        -(2**53) + 1,
    ]
)
@example('\u007f\u0000\u001f"\\/\b\f\n\r\t\u2028é')
def test_the_short_way_writes_the_same_bytes(document: Any) -> None:
    assert canonical_bytes(document) == rfc8785.dumps(document)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"a": math.nan}, id="nan"),
        pytest.param([math.inf], id="infinity"),
        pytest.param({"n": 2**53}, id="integer beyond a double"),
        pytest.param({"n": 10**40}, id="huge integer"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param({"\udfff": 1}, id="lone surrogate in a key"),
    ],
)
def test_what_json_cannot_carry_is_refused(document: Any) -> None:
    with pytest.raises(ValueError) as by_the_short_way:
        canonical_bytes(document)
    with pytest.raises(ValueError) as by_rfc8785:
        rfc8785.dumps(document)
    assert str(by_the_short_way.value) == str(by_rfc8785.value)


def test_the_rfcs_own_example_has_the_rfcs_own_bytes() -> None:
    document = json.loads(
        '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
    )
    assert (
        canonical_bytes(document)
        == (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ).encode()
    )


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(TEXT, PLAIN, max_size=4))
@example({"n": 2**53 - 1})
@example({"\ufb33": 1, "\U0001f600": 2})
@example({"n": 1e16, "m": 1e21, "z": -0.0})
@example({"n": 2e-05, "m": -1.5e-06, "z": 0.0001})
def test_what_it_wrote_is_canonical_and_no_other_spelling_is(plain: dict[str, Any]) -> None:
    written = canonical_bytes(plain)
    assert is_canonical(written)
    assert not is_canonical(written + b" ")
    spaced = json.dumps(plain, indent=1).encode()
    assert is_canonical(spaced) == (spaced == written)


@pytest.mark.parametrize(
    "written",
    [b"[]", b"1", b'"text"', b"null", b"true", b'{"a":1', b"", b'{"a":NaN}', b'{"a":"\xff"}', b"[" * 100_000],
    ids=["list", "number", "text", "null", "true", "cut off", "nothing", "NaN", "no UTF-8", "deep"],
)
def test_what_is_no_object_or_no_json_at_all_is_not_canonical(written: bytes) -> None:
    assert not is_canonical(written)
