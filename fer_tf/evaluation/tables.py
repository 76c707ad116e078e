"""Writing tables: a run's predictions as csv, frames as Markdown."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ..common.files import write_text


def write_csv(path, frame):
    """Writes a frame as csv in one step."""
    text = io.StringIO()
    frame.to_csv(text, index=False, quoting=csv.QUOTE_MINIMAL)
    write_text(path, text.getvalue())


def report_table(metrics, class_names):
    """The classification report of a run's test metrics as a frame: precision, recall, f1, support a class, then
    accuracy, macro and weighted averages (document [2]'s form)."""
    table = pd.DataFrame(metrics["per_class"]).T.reindex(list(class_names))
    for average in ("macro", "weighted"):
        values = [metrics[f"{average}_{key}"] for key in ("precision", "recall", "f1")]
        table.loc[f"{average} avg"] = [*values, metrics["n"]]
    table.loc["accuracy"] = [np.nan, np.nan, metrics["accuracy"], metrics["n"]]
    table["support"] = table["support"].astype(int)
    table.index.name = "class"
    return table


def markdown(frame, digits=3):
    """A frame as a Markdown table; floats to `digits`, missing values empty."""
    header = [str(name) for name in frame.columns]
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(_rule(frame[name]) for name in frame.columns) + "|"]
    lines += ["| " + " | ".join(_cell(value, digits) for value in row) + " |" for row in frame.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def _rule(column):
    return "---:" if pd.api.types.is_numeric_dtype(column) else "---"


def _cell(value, digits):
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.{digits}f}"
    return str(value).replace("|", "\\|")


pass

# What LaTeX would take for a command; "\\" first is done by one pass over the characters.
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


# What fits: characters of a line at the text's own size, rows of a page, characters in \scriptsize across a landscape
# page of A4 with margins of 2 cm. Taken low, so that capitals and digits fit too.
_LINE, _PAGE, _LANDSCAPE = 68, 40, 158
_GAP = 2  # characters that the space between two columns takes
# Wider than the text, whose margins leave too little to a dozen columns; the page's number would stand in its way.
_WIDE = r"""\begin{landscape}
\pagestyle{empty}\scriptsize\setlength{\tabcolsep}{3pt}
\setlength{\LTleft}{\dimexpr(\linewidth-\paperheight+4cm)/2}\setlength{\LTright}{\LTleft}
\addtolength{\LTright}{0pt plus 1fil}\setlength{\linewidth}{\dimexpr\paperheight-4cm}
"""


def latex(frame, caption="", label="", digits=3):
    """A frame as a LaTeX table in the booktabs manner, whose first line names the packages that it needs.

    A table that fits on a page of A4 is a float. A wider or longer one is a longtable, which breaks over pages and
    repeats its heading; a wider one stands on landscape pages, small, and its cells break over lines.

    Args:
        frame: DataFrame; as in Markdown its index is not shown.
        caption: stands above the table; "" for none.
        label: for \\ref; "" for none.
        digits: of floats; missing values are empty.
    Returns: text. Numbers stand right, text left; %, _, & and the like are escaped everywhere but in the label.
    """
    styled = frame.reset_index(drop=True).style.hide(axis="index")
    styled = styled.format(precision=digits, na_rep="", escape="latex").format_index(escape="latex", axis=1)
    texts = _texts(frame, digits)
    is_wide = sum(max(map(len, column)) + _GAP for column in texts) > _LINE
    is_float = not is_wide and len(frame) <= _PAGE
    sides = "".join("r" if kind.kind in "iuf" else "l" for kind in frame.dtypes)
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


def _texts(frame, digits):
    """A list a column: its heading and cells as they are printed."""
    return [[str(name), *(_printed(value, digits) for value in frame[name])] for name in frame]


def _printed(value, digits):
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.{digits}f}"
    return "" if value is None else str(value)


def _broken_columns(texts, sides):
    """The format of columns that break their cells over lines and together are at most as wide as the line.

    Each has room for its longest word; what is left of the line goes to those that could use more, by how much.
    """
    words = [max(len(word) for text in column for word in re.split(r"[\s_/-]", text)) for column in texts]
    wishes = [max(map(len, column)) for column in texts]
    left = max(0, _LANDSCAPE - _GAP * len(texts) - sum(words)) / max(1, sum(wishes) - sum(words))
    widths = [_GAP + word + (wish - word) * min(1, left) for word, wish in zip(words, wishes, strict=True)]
    ragged, whole = {"l": r"\raggedright", "r": r"\raggedleft"}, max(_LANDSCAPE, sum(widths))
    shares = [rf"\dimexpr {int(1000 * width / whole) / 1000:.3f}\linewidth-2\tabcolsep" for width in widths]
    pairs = zip(shares, sides, strict=True)
    return "".join(rf">{{{ragged[side]}\arraybackslash}}p{{{share}}}" for share, side in pairs)


def _on_landscape(text):
    """A longtable on landscape pages of its own, in small letters; words break after _ and / too."""
    body, end = text.index(r"\toprule"), text.index(r"\end{longtable}")
    broken = text[body:end].replace(r"\_", r"\_\allowbreak{}").replace("/", r"/\allowbreak{}")
    text = text[:body] + broken + text[end:]
    return f"{_WIDE}{text}\\end{{landscape}}\n"


def _escaped(text):
    return "".join(_SPECIAL.get(character, character) for character in text)


def write_table(path, frame, caption="", digits=3):
    """Writes a frame as <path>.md, <path>.tex and <path>.csv (the csv with all digits).

    Args:
        path: without suffix; missing folders are made.
        frame: DataFrame; its index is not written. Columns that are empty in every row stand in the csv alone.
        caption: stands above the Markdown and the LaTeX table; the latter's label is tab:<name of the file>.
        digits: of floats in Markdown and LaTeX.
    Returns: list of the three `Path`s.
    """
    path = Path(path)
    paths = [path.with_name(path.name + suffix) for suffix in (".md", ".tex", ".csv")]
    heading, filled = f"**{caption}**\n\n" if caption else "", _filled(frame)
    write_text(paths[0], heading + markdown(_on_one_line(filled), digits))
    write_text(paths[1], latex(filled, caption, f"tab:{path.name}", digits))
    write_csv(paths[2], frame)
    return paths


def _on_one_line(frame):
    """The frame with headings and texts that Markdown can hold: no line ends, no bare | in a heading."""
    whole = frame.map(lambda value: " ".join(value.splitlines()) if isinstance(value, str) else value)
    return whole.set_axis([" ".join(str(name).replace("|", "\\|").splitlines()) for name in frame], axis=1)


def _filled(frame):
    """The frame without columns that are empty in every row; one without rows keeps them all."""
    is_filled = (frame.notna() & (frame.astype(str) != "")).any() | (len(frame) == 0)
    return frame.loc[:, is_filled.to_numpy()]
