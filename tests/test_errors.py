"""What an error says can be printed and written, whoever wrote a part of it."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.errors import ModelError, printable


@given(st.text(st.characters()))
def test_every_message_can_be_written(found):
    error = ModelError("model", found=found, next_step=found)
    text = str(error)
    assert text.encode("utf-8").decode("utf-8") == text
    assert not set(text) & set("\x1b\x00\x07\r\x7f\u202e")
    assert str(copy.copy(error)) == text
    assert error.found == found


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"])))
def test_what_can_be_printed_stays_as_it_is(text):
    assert printable(text) == text


def test_lines_stay_lines_and_joined_characters_joined():
    text = "two\nlines\tand \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f527"
    assert printable(text) == text
