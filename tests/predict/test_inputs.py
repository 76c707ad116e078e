"""Which files are meant by names, patterns, folders and lists."""

import os

import pytest
from fixtures import write_face

from fer_tf.common.checks import ModelFileError
from fer_tf.predict import EmotionRecognizer, collect_files


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(paths):
    return sorted(path.as_posix() for path in paths)


def test_patterns_are_looked_up_where_the_shell_did_not(home):
    for name in ("a/1.png", "a/2.jpg", "a/b/3.png", "a/.hidden.png", "c/4.png"):
        write_face(home / name)
    assert names(collect_files(["a/*.png"])) == ["a/1.png"]
    assert names(collect_files(["a/**/*.png"])) == ["a/1.png", "a/b/3.png"]
    assert names(collect_files(["?/[13].png", "a/*"])) == ["a/1.png", "a/2.jpg", "a/b/3.png"]
    assert names(collect_files([home / "c" / "*"])) == [f"{home.as_posix()}/c/4.png"]
    assert names(collect_files(["a/*.gif", "**b", "[!"])) == ["**b", "[!", "a/*.gif"], "kept, to be reported"


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(home):
    write_face(home / "1.png")
    write_face(home / "[1].png")
    assert names(collect_files(["[1].png"])) == ["[1].png"]


def test_a_csv_stands_for_the_files_it_names(home):
    for name in ("x/1.png", "x/2.png", "3.png", "=4.png"):
        write_face(home / name)
    rows = 'emotion, Path \nfear,1.png\nanger,2.png\nfear,1.png\n,\n,3.png\n,x/lost.png\n,"\'=4.png"\n'
    (home / "x" / "list.csv").write_text("\ufeff" + rows)
    found = collect_files(["x/list.csv", "3.png"])
    assert names(found) == ["3.png", "=4.png", "x/1.png", "x/2.png", "x/lost.png"]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_list_of_a_spreadsheet_s_separators_is_read(home, separator):
    for name in ("a, b.png", "ä;2.png"):
        write_face(home / name)
    rows = [("Label", '"path"'), ("fear", "a, b.png"), ("joy", '"ä;2.png"')]
    (home / "list.csv").write_text("\n".join(map(separator.join, rows)), encoding="utf-8-sig")
    assert names(collect_files(["list.csv"])) == ["a, b.png", "ä;2.png"]


def test_what_lies_beside_photographs_is_left_out_and_it_is_said(home):
    for name in (
        "a/1.png",
        "a/b/2.JPG",
        "old-timelines/000001-x.png",
        "old-timelines/x.png",
        "mine-timelines/1.png",
    ):
        write_face(home / name)
    write_face(home / "2.png").rename(home / "a" / "scan")
    for name in ("a/1.png.json", "a/b/notes.txt", "a/b/3.TXT", "old.csv"):
        (home / name).write_text("x")
    said = []
    found = names(collect_files(["a", "[mo]*-timelines"], say=said.append))
    assert found == ["a/1.png", "a/b/2.JPG", "a/scan", "mine-timelines/1.png", "old-timelines/x.png"]
    assert said == [
        "a: 3 of 6 files are left out, they are timelines or not pictures (.json, .txt)",
        "[mo]*-timelines: 1 of 3 files are left out, they are timelines or not pictures (.png)",
    ]
    said.clear()
    assert names(collect_files(["a/**"], say=said.append)) == ["a/1.png", "a/b/2.JPG", "a/scan"]
    assert len(said) == 1
    assert names(collect_files(["a/*"])) == ["a/1.png", "a/b/2.JPG", "a/scan"]
    assert names(collect_files(["a/*.json"])) == ["a/1.png.json"]
    assert names(collect_files(["a/1.png.json"])) == ["a/1.png.json"], "a named file is tried and reported"


def test_nobodys_folder_is_a_name_like_others(home, monkeypatch):
    monkeypatch.setenv("HOME", str(home))
    write_face(home / "1.png")
    assert collect_files(["~/1.png"]) == [home / "1.png"]
    assert names(collect_files(["~nobody-of-this-name/1.png"])) == ["~nobody-of-this-name/1.png"]
    with pytest.raises(ModelFileError, match="no model file ~nobody-of-this-name/x.h5"):
        EmotionRecognizer("~nobody-of-this-name/x.h5")


def test_links_to_folders_above_end(home):
    write_face(home / "a" / "1.png")
    for name in ("up", "again"):
        os.symlink(home, home / "a" / name)
    assert len(collect_files(["a"])) < 4
    assert names(collect_files(["a/**/*.png"])) == ["a/1.png"]
