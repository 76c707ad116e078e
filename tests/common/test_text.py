"""Names that are safe in a csv, in a spreadsheet, on one line and as a file's name."""

import pytest

from fer_tf.common.text import one_line, plain_name, read_cell, safe_cell, shown_path


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+a", "-a", "@a", "\ta", "\na", "\ra", "'a", "''=a", " =a", "＝a", "a=b", "plain.png", "", "'", "="],
)
def test_a_cell_is_no_formula_and_gives_its_text_back(text):
    cell = safe_cell(text)
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert read_cell(cell) == text


@pytest.mark.parametrize("text", ["plain.png", "a=b.png", "2+2", "photos/=a.png"])
def test_a_harmless_cell_is_unchanged(text):
    assert safe_cell(text) == text


def test_a_message_stays_on_its_line():
    assert one_line("first\nsecond\r  third") == r"first\nsecond\r third"
    assert one_line("a\nb\x1b[31m\u202ec d") == r"a\nb\x1b[31m\u202ec d"


def test_a_name_that_is_not_utf_8_can_be_shown():
    assert shown_path("caf\udce9.png") == r"caf\xe9.png"


def test_a_plain_name_has_no_letters_that_a_file_system_refuses():
    assert plain_name("a/b: *c?") == "a_b_c_"
    assert plain_name("né 照片-1.x") == "né_照片-1.x"
    assert plain_name("né 照片-1.x", ascii_only=True) == "n_-1.x"
