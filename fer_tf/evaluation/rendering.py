"""Tables for a paper: LaTeX beside Markdown and csv. Apart from `tables`, whose code belongs to an evaluation's
fingerprint: a change of look makes no run evaluate again."""

from pathlib import Path

from ..paths import write_text
from .tables import markdown, write_csv

# What LaTeX would take for a command; "\\" first is done by one pass over the characters.
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def latex(frame, caption="", label="", digits=3):
    """A frame as a LaTeX table in the booktabs manner (the document needs \\usepackage{booktabs}).

    Args:
        frame: DataFrame; as in Markdown its index is not shown.
        caption: stands above the table; "" for none.
        label: for \\ref; "" for none.
        digits: of floats; missing values are empty.
    Returns: text. Numbers stand right, text left; %, _, & and the like are escaped everywhere but in the label.
    """
    styled = frame.reset_index(drop=True).style.hide(axis="index")
    styled = styled.format(precision=digits, na_rep="", escape="latex").format_index(escape="latex", axis=1)
    columns = "".join("r" if kind.kind in "iuf" else "l" for kind in frame.dtypes)
    return styled.to_latex(
        column_format=columns, caption=_escaped(caption) or None, label=label or None, hrules=True, position="htbp",
        position_float="centering",
    )  # fmt: skip


def _escaped(text):
    return "".join(_SPECIAL.get(character, character) for character in text)


def write_table(path, frame, caption="", digits=3):
    """Writes a frame as <path>.md, <path>.tex and <path>.csv (the csv with all digits).

    Args:
        path: without suffix; missing folders are made.
        frame: DataFrame; its index is not written.
        caption: stands above the Markdown and the LaTeX table; the latter's label is tab:<name of the file>.
        digits: of floats in Markdown and LaTeX.
    Returns: list of the three `Path`s.
    """
    path = Path(path)
    paths = [path.with_name(path.name + suffix) for suffix in (".md", ".tex", ".csv")]
    heading = f"**{caption}**\n\n" if caption else ""
    write_text(paths[0], heading + markdown(frame, digits))
    write_text(paths[1], latex(frame, caption, f"tab:{path.name}", digits))
    write_csv(paths[2], frame)
    return paths
