from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.web.audit.highlight import tokens

plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_the_tokens_joined_are_the_value_again(value: Any) -> None:
    assert json.loads("".join(text for _, text in tokens(value))) == value


def test_keys_and_strings_are_told_apart() -> None:
    kinds = [kind for kind, _ in tokens({"a": ["a", 1, None]}) if kind]
    assert kinds == ["key", "string", "number", "literal"]
