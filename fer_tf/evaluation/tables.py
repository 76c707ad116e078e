"""Writes tables as csv, Markdown and LaTeX."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..common.files import write_text


def write_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Writes a frame as csv; an interrupted write leaves no incomplete file.

    Args:
        path: the csv file.
        frame: DataFrame; its index is not written.
    """
    text = io.StringIO()
    frame.to_csv(text, index=False, quoting=csv.QUOTE_MINIMAL)
    write_text(path, text.getvalue())


def report_table(metrics: dict[str, Any], class_names: Sequence[str]) -> pd.DataFrame:
    """The classification report of a run, in the form of document [2].

    Args:
        metrics: test metrics of a run, see `metrics.classification_metrics`.
        class_names: C names.
    Returns: DataFrame with precision, recall, f1 and support; one row for each class, then macro avg, weighted avg and
        accuracy.
    """
    table = pd.DataFrame(metrics["per_class"]).T.reindex(list(class_names))
    for average in ("macro", "weighted"):
        values = [metrics[f"{average}_{key}"] for key in ("precision", "recall", "f1")]
        table.loc[f"{average} avg"] = [*values, metrics["n"]]
    table.loc["accuracy"] = [np.nan, np.nan, metrics["accuracy"], metrics["n"]]
    table["support"] = table["support"].astype(int)
    table.index.name = "class"
    return table


def markdown(frame: pd.DataFrame, digits: int = 3) -> str:
    """A frame as a Markdown table.

    Args:
        frame: DataFrame; its index is not shown.
        digits: decimal places of floats; missing values are empty.
    """
    header = [str(name) for name in frame.columns]
    rules = ["---:" if pd.api.types.is_numeric_dtype(frame[name]) else "---" for name in frame.columns]
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(rules) + "|"]
    lines += [
        "| " + " | ".join(_cell(value, digits).replace("|", "\\|") for value in row) + " |"
        for row in frame.itertuples(index=False)
    ]
    return "\n".join(lines) + "\n"


def _cell(value, digits):
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.{digits}f}" if isinstance(value, float | np.floating) else str(value)


# What fits on an A4 page with margins of 2 cm: characters in a line at normal size, rows on a page, and characters in
# \scriptsize across a landscape page. The numbers are low, so that capitals and digits fit too.
_LINE, _PAGE, _LANDSCAPE = 68, 40, 158
_GAP = 2  # width of the space between two columns, in characters
# Wider than the text, because a dozen columns need more room. Without page number, which would overlap the table.
_WIDE = r"""\begin{landscape}
\pagestyle{empty}\scriptsize\setlength{\tabcolsep}{3pt}
\setlength{\LTleft}{\dimexpr(\linewidth-\paperheight+4cm)/2}\setlength{\LTright}{\LTleft}
\addtolength{\LTright}{0pt plus 1fil}\setlength{\linewidth}{\dimexpr\paperheight-4cm}
"""


def latex(frame: pd.DataFrame, caption: str = "", label: str = "", digits: int = 3) -> str:
    """A frame as a LaTeX table in booktabs style. Its first line names the packages that it needs.

    A table that fits on an A4 page is a float. A longer one is a longtable, which continues on the next page with the
    same heading. A wider one is a longtable on landscape pages, in small letters and with line breaks in its cells.

    Args:
        frame: DataFrame; its index is not shown.
        caption: text above the table; "" for none.
        label: name for \\ref; "" for none.
        digits: decimal places of floats; missing values are empty.
    Returns: text. Numbers are right-aligned and text is left-aligned. Special characters such as %, _ and & are escaped
        everywhere except in the label.
    """
    styled = _styled(frame, digits)
    texts = [[str(name), *(_cell(value, digits) for value in frame[name])] for name in frame]
    is_wide = sum(max(map(len, column)) + _GAP for column in texts) > _LINE
    is_float = not is_wide and len(frame) <= _PAGE
    sides = "".join("r" if dtype.kind in "iuf" else "l" for dtype in frame.dtypes)
    text = styled.to_latex(
        column_format=_broken_columns(texts, sides) if is_wide else sides,
        caption=_escaped(caption) or None,
        label=label or None,
        hrules=True,
        environment=None if is_float else "longtable",
        position="htbp" if is_float else None,
        position_float="centering" if is_float else None,
    )
    packages = ["booktabs"] + ([] if is_float else ["longtable"]) + (["array", "pdflscape"] if is_wide else [])
    return f"% Needs \\usepackage{{{','.join(sorted(packages))}}}{'' if is_float else ' and one column of text'}.\n" + (
        _on_landscape(text) if is_wide else text
    )


def _styled(frame, digits):
    """The frame as a pandas Styler without its index, with rounded numbers and escaped text."""
    styled = frame.reset_index(drop=True).style.hide(axis="index")
    return styled.format(precision=digits, na_rep="", escape="latex").format_index(escape="latex", axis=1)


def _escaped(text):
    """The text with characters such as %, _ and & escaped for LaTeX."""
    return _styled(pd.DataFrame({"": [text]}), 0).hide(axis="columns").to_string().strip()


def _broken_columns(texts, sides):
    """The format of columns with line breaks in their cells: room for the longest word, the rest by need."""
    words = np.array([max(len(word) for text in column for word in re.split(r"[\s_/-]", text)) for column in texts])
    spare = np.array([max(map(len, column)) for column in texts]) - words
    free = max(0, _LANDSCAPE - (_GAP + words).sum()) / max(1, spare.sum())
    widths = _GAP + words + spare * min(1, free)
    ragged = {"l": r"\raggedright", "r": r"\raggedleft"}
    shares = np.floor(1000 * widths / max(_LANDSCAPE, widths.sum())) / 1000
    return "".join(
        rf">{{{ragged[side]}\arraybackslash}}p{{\dimexpr {share:.3f}\linewidth-2\tabcolsep}}"
        for side, share in zip(sides, shares, strict=True)
    )


def _on_landscape(text):
    """A longtable on separate landscape pages, in small letters; words can also break after _ and /."""
    body, end = text.index(r"\toprule"), text.index(r"\end{longtable}")
    broken = text[body:end].replace(r"\_", r"\_\allowbreak{}").replace("/", r"/\allowbreak{}")
    text = text[:body] + broken + text[end:]
    return f"{_WIDE}{text}\\end{{landscape}}\n"


def write_table(path: str | Path, frame: pd.DataFrame, caption: str = "", digits: int = 3) -> list[Path]:
    """Writes a frame as <path>.md, <path>.tex and <path>.csv (the csv file has all digits).

    Args:
        path: path without suffix; missing folders are created.
        frame: DataFrame; its index is not written. Columns that are empty in every row are only in the csv file.
        caption: text above the Markdown and LaTeX tables; the LaTeX label is tab:<name of the file>.
        digits: decimal places of floats in Markdown and LaTeX.
    """
    path = Path(path)
    paths = [path.with_name(path.name + suffix) for suffix in (".md", ".tex", ".csv")]
    heading, filled = f"**{caption}**\n\n" if caption else "", _filled(frame)
    write_text(paths[0], heading + markdown(_on_one_line(filled), digits))
    write_text(paths[1], latex(filled, caption, f"tab:{path.name}", digits))
    write_csv(paths[2], frame)
    return paths


def _on_one_line(frame):
    """The frame with headings and texts that fit in Markdown: without line breaks, and with | escaped in headings."""
    whole = frame.map(lambda value: " ".join(value.splitlines()) if isinstance(value, str) else value)
    return whole.set_axis([" ".join(str(name).replace("|", "\\|").splitlines()) for name in frame], axis=1)


def _filled(frame):
    """The frame without columns that are empty in every row; a frame without rows keeps all columns."""
    is_filled = (frame.notna() & (frame.astype(str) != "")).any() | (len(frame) == 0)
    return frame.loc[:, is_filled.to_numpy()]
