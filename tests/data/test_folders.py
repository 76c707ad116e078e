"""Files and folders of datasets."""

import os
import re

import pytest
from fixtures import write_face

from fer_tf.common.checks import DataError
from fer_tf.data.folders import list_files, list_images


def test_list_images_takes_any_case_and_leaves_litter_out(tmp_path):
    kept = [write_face(tmp_path / name) for name in ("a.PNG", "b.Jpg", "sub/c.jpeg")]
    for litter in ("Thumbs.db", "._a.png", ".DS_Store", ".hidden/x.txt"):
        (tmp_path / litter).parent.mkdir(exist_ok=True)
        (tmp_path / litter).write_text("litter")
    assert list_images(tmp_path) == kept


def test_list_images_refuses_a_stray_file_and_names_it(tmp_path):
    write_face(tmp_path / "a.png")
    for name in ("notes.txt", "scores.csv"):
        (tmp_path / name).write_text("stray")
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'notes.txt'}: not a picture") + ".*1 more"):
        list_images(tmp_path)


def test_a_folder_that_links_into_itself_is_listed_once(tmp_path):
    face = write_face(tmp_path / "sub" / "a.png")
    os.symlink(tmp_path, tmp_path / "sub" / "loop")
    assert list_files(tmp_path) == [face]
