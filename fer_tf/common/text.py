"""File names as text that is safe in a csv, in a spreadsheet and on the screen."""

import os
import re

# First characters that make a spreadsheet read a cell as a formula, including the wide letters of East Asian keyboards.
_FORMULA = tuple("=+-@\t\r\n") + ("＝", "＋", "－", "＠")
SIGN = "'"


def shown_path(path: str | os.PathLike[str]) -> str:
    """Returns the path as text that any csv can hold. Bytes that are not UTF-8 are shown as `\\xff`."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # this text cannot be a file name
        return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def one_line(text: object) -> str:
    """Returns the text on one line: control characters such as line ends are escaped (`\\n`), spaces are joined."""
    printable = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))
    return re.sub(r"\s+", " ", printable)


def plain_name(name: str, ascii_only: bool = False) -> str:
    """Returns a name with letters, digits and `_ . -` only, which every file system accepts; the rest becomes `_`.

    Args:
        name: a file's name without its suffix.
        ascii_only: also replace letters such as é, which not every archive program can store.
    """
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII if ascii_only else 0)


def safe_cell(text: str) -> str:
    """Returns the text as a csv cell that no spreadsheet reads as a formula. `read_cell` gives the text back.

    Text that starts with = + - @, a tab or a line end gets an apostrophe in front. Leading spaces are ignored here.
    Text that already starts with an apostrophe gets another one. All other text is unchanged.
    """
    begins = text.lstrip(" ")
    return SIGN + text if begins.startswith(_FORMULA) or text.startswith(SIGN) else text


def read_cell(text: str) -> str:
    """Returns the original text of a cell that `safe_cell` made."""
    return text.removeprefix(SIGN)
