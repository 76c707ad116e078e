"""Tables for a paper: three files that say the same, and document [3]'s form."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from fer_tf.evaluation import tables
from fer_tf.evaluation.tables import latex, write_table


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"a_model & co": ["cnn_1", "50 % {of} $5 #2 ~^\\"], "F1": [0.12345, np.nan], "n": [7, 8]}, [4, 4]
    )


def test_latex_is_a_booktabs_table(frame):
    lines = latex(frame, "Half: 50 % of_a & b", "tab:half").splitlines()
    assert lines[0] == r"% Needs \usepackage{booktabs}."
    assert lines[1] == r"\begin{table}[htbp]"
    assert lines[-1] == r"\end{table}"
    assert r"\caption{Half: 50 \% of\_a \& b}" in lines
    assert r"\label{tab:half}" in lines
    assert r"\begin{tabular}{lrr}" in lines
    rules = [line for line in lines if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]


def test_latex_escapes_and_rounds(frame):
    text = latex(frame, digits=2)
    assert r"a\_model \& co & F1 & n \\" in text
    assert r"cnn\_1 & 0.12 & 7 \\" in text
    assert r"50 \% \{of\} \$5 \#2 \textasciitilde" in text
    assert r"\textbackslash" in text
    assert re.search(r"\\textbackslash.* &  & 8 ", text), "a missing value is empty"
    assert "caption" not in text
    assert "label" not in text


def test_caption_is_escaped_in_one_pass():
    assert r"\caption{\textbackslash a\_\{b\}}" in latex(pd.DataFrame({"a": [1]}), r"\a_{b}")


def wide_frame():
    words = ["balanced", "facenet2expnet_scratch", "35887 images", "an accuracy of 53/20/42/84 in per cent and no more"]
    return pd.DataFrame([words * 3 + [0.5]] * 3, columns=[f"column {number}" for number in range(13)])


def shares_of(text):
    return [float(share) for share in re.findall(r"p\{\\dimexpr (0\.\d+)\\linewidth", text)]


def test_a_wide_table_breaks_its_cells_on_landscape_pages():
    text = latex(wide_frame(), "Wide", "tab:wide")
    needs = r"% Needs \usepackage{array,booktabs,longtable,pdflscape} and one column of text."
    assert text.splitlines()[0] == needs
    ends = [r"\begin{landscape}", r"\begin{longtable}", r"\end{longtable}", r"\end{landscape}"]
    places = [text.index(end) for end in ends]
    assert places == sorted(places)
    assert r"\caption{Wide}" in text
    assert r"\label{tab:wide}" in text
    shares = shares_of(text)
    assert len(shares) == 13
    assert 0.9 < sum(shares) <= 1
    assert text.count(r"\raggedleft") == 1, "numbers stand right"
    assert shares[3] > 1.4 * max(shares[0], shares[2]), "what is long has more room"
    assert r"facenet2expnet\_\allowbreak{}scratch" in text
    assert r"53/\allowbreak{}20/" in text


@pytest.mark.parametrize("words", [20, 400])
def test_a_wide_table_never_leaves_the_page(words):
    frame = pd.DataFrame([["unbreakable" * 3, "word " * words]] * 2).assign(**{f"n{n}": "m" * 18 for n in range(8)})
    assert 0 < sum(shares_of(latex(frame))) <= 1


def test_a_long_table_goes_on_over_pages():
    text = latex(pd.DataFrame({"n": range(60)}), "Long", "tab:long")
    assert text.startswith("% Needs \\usepackage{booktabs,longtable} and one column of text.\n\\begin{longtable}{r}")
    assert "landscape" not in text
    assert text.count(r"\caption") == 2, "the second one heads the pages that follow"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here")
@pytest.mark.parametrize("frame", [wide_frame(), pd.DataFrame({"n": range(60)}), pd.DataFrame({"a_b": ["ü ± %\\"]})])
def test_latex_takes_the_table_and_nothing_runs_over(tmp_path, frame):
    text = latex(frame, "All of_it", "tab:all")
    packages = re.search(r"usepackage(\{.*?\})", text)[1]
    page = rf"\documentclass[a4paper]{{article}}\usepackage{packages}\begin{{document}}{chr(10)}{text}\end{{document}}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    compiled = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert compiled.returncode == 0, compiled.stdout[-2000:]
    assert "Overfull" not in compiled.stdout, compiled.stdout[-2000:]


def test_three_files_say_the_same(tmp_path, frame):
    paths = write_table(tmp_path / "new" / "table.1", frame, "Scores of_all", digits=2)
    assert [path.name for path in paths] == ["table.1.md", "table.1.tex", "table.1.csv"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    texts = [path.read_text(encoding="utf-8") for path in paths]
    assert texts[0] == "**Scores of_all**\n\n" + tables.markdown(frame, 2)
    assert texts[1] == latex(frame, "Scores of_all", "tab:table.1", 2)
    pd.testing.assert_frame_equal(pd.read_csv(paths[2]), frame.reset_index(drop=True))


def test_columns_that_are_empty_in_every_row_stand_in_the_csv_alone(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "none": [np.nan] * 2, "blank": ["", None], "zero": [0, 0], "one": ["", "x"]})
    markdown, tex, csv = (path.read_text() for path in write_table(tmp_path / "t", frame))
    assert markdown.splitlines()[0] == "| a | zero | one |"
    assert "a & zero & one" in tex
    assert csv.splitlines()[0] == "a,none,blank,zero,one"
    empty = write_table(tmp_path / "empty", frame[:0])[0].read_text()
    assert empty.splitlines()[0] == "| a | none | blank | zero | one |"


def test_markdown_keeps_a_row_on_a_line(tmp_path):
    """A bar or a line break in a heading or cell would shift every column after it."""
    frame = pd.DataFrame({"a|b\nc": ["x|y\r\nz", "plain"], "d": [1, 2]})
    text = write_table(tmp_path / "t", frame)[0].read_text()
    assert text.splitlines() == ["| a\\|b c | d |", "|---|---:|", "| x\\|y z | 1 |", "| plain | 2 |"]


def test_a_table_without_a_caption(tmp_path, frame):
    paths = write_table(str(tmp_path / "plain"), frame)
    assert paths[0].read_text() == tables.markdown(frame)
