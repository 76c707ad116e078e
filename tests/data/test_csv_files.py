"""Csv and text files: cells stay text, and what cannot be read is named with its place."""

import pytest

from fer_tf.common.checks import DataError
from fer_tf.data.csv_files import check_columns, read_csv, read_lines


def test_cells_stay_text_and_empty_ones_are_empty(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("path,label\n001.png,NA\n,1.0\n")
    table = read_csv(path)
    assert table.to_dict("list") == {"path": ["001.png", ""], "label": ["NA", "1.0"]}
    assert list(read_csv(path, usecols=["label"])) == ["label"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 columns, 2 are expected"),
        (b'a,b\n1,"2\n', "a quotation mark in line 2 has no end"),
        (b"a,b\n1,\xff\n", "it is not text in UTF-8, from byte"),
    ],
)
def test_a_csv_that_cannot_be_read_says_why(tmp_path, content, fault):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"a.csv: is not a csv that can be read .*{fault}"):
        read_csv(path)


def test_missing_columns_are_named_with_those_that_are_there(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("path,emotion\na,b\n")
    check_columns(path, read_csv(path), ("path",))
    with pytest.raises(DataError, match=r"has no column label, split \(its columns: path, emotion\)"):
        check_columns(path, read_csv(path), ("path", "label", "split"))


def test_lines_are_read_with_or_without_a_mark_in_front(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa\r\né\n".encode())
    assert read_lines(path) == ["a", "é"]
    path.write_bytes(b"a\n\xe9\n")
    with pytest.raises(DataError, match="list.txt: cannot be read .*from byte 2 on"):
        read_lines(path)
