from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from api.web.inert import inert, visible

RIGHT_TO_LEFT = "\u202e"


def test_markup_in_foreign_text_is_text() -> None:
    assert inert("<script>alert(1)</script>") == "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"


def test_quotes_cannot_leave_an_attribute() -> None:
    shown = str(inert("\"' onload=x"))
    assert '"' not in shown
    assert "'" not in shown


def test_a_character_that_reverses_text_is_shown_by_its_code_point() -> None:
    assert visible(f"approve {RIGHT_TO_LEFT}evorppa") == "approve ⟨U+202E⟩evorppa"


def test_zero_width_and_blank_letters_are_shown() -> None:
    assert visible("in\u200bference") == "in⟨U+200B⟩ference"
    assert visible("\u3164") == "⟨U+3164⟩"
    assert visible("\ufeff\U000e0041") == "⟨U+FEFF⟩⟨U+E0041⟩"


def test_lines_and_tabs_stay() -> None:
    assert visible("one\n\ttwo") == "one\n\ttwo"


def test_marks_that_climb_over_other_lines_are_cut_off() -> None:
    shown = visible("Z" + "\u0335" * 40)
    assert shown.startswith("Z" + "\u0335" * 4 + "⟨U+0335⟩")


def test_text_of_any_script_stays_as_it_is() -> None:
    for text in ("größer", "выше", "拡大", "توسيع", "बढ़ाएँ"):
        assert visible(text) == text


@given(st.text(st.characters(codec=None), max_size=60))
def test_nothing_invisible_is_left(text: str) -> None:
    left = {unicodedata.category(one) for one in visible(text) if one not in "\n\t"}
    assert not left & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
