"""Names of files as text that a csv, a spreadsheet and a screen can take."""

import os
import re

# What makes a spreadsheet take a cell for a formula, also in the wide letters of East Asian keyboards.
_FORMULA = tuple("=+-@\t\r\n") + ("＝", "＋", "－", "＠")
SIGN = "'"


def shown_path(path):
    """The path as text that any csv can hold; bytes that are no UTF-8 are shown as `\\xff`."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a text that no name of a file can be
        return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def one_line(text):
    """The text without line ends or other control characters, for a line on the screen."""
    printable = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))
    return re.sub(r"\s+", " ", printable)


def safe_cell(text):
    """The text as a csv's cell that no spreadsheet takes for a formula; `read_cell` gives it back.

    An apostrophe is put before what begins, blanks aside, with = + - @ or a tab or line end, and before what begins
    with an apostrophe already. All else stays.
    """
    begins = text.lstrip(" ")
    return SIGN + text if begins.startswith(_FORMULA) or text.startswith(SIGN) else text


def read_cell(text):
    """The text that `safe_cell` made a cell of."""
    return text.removeprefix(SIGN)
