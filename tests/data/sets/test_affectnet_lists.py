"""AffectNet's csv files: broken ones, and the boxes of faces."""

import numpy as np
import pytest
from affectnet_copies import (
    load,
    write_list,
    write_manifest,
)
from PIL import Image

from fer_tf.common.checks import DataError
from fer_tf.data import stores

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",3,0.3,", ",11,0.3,", r"validation.csv, line 8: unknown expression '11'; allowed are 0..7"),
        (",3,0.3,", ",,0.3,", "validation.csv, line 8: unknown expression ''"),
        ("expression", "label", "neither has a header .* its first line has 9: subDirectory_filePath"),
        ("3/testé 0.jpg", "3/lost.jpg", r"3/lost.jpg is listed, but not there or empty \(1 of 96"),
    ],
)
def test_broken_list(old, new, message, tmp_path, faces):
    write_manifest(tmp_path / "affectnet", faces)
    path = tmp_path / "affectnet" / "Manually_Annotated_file_lists" / "validation.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def _boxed(tmp_path, boxes, size=(60, 40)):
    """A manifest whose first training pictures are white in `boxes` (left, top, right, bottom), on black."""
    home = tmp_path / "affectnet"
    rows = [f"0/{row}.png,{box},1;2,{row % 2},0,0" for row, box in enumerate(boxes)]
    for row, box in enumerate(boxes):
        left, top, width, height = (int(value or 0) for value in box.split(","))
        pixels = np.zeros((size[1], size[0], 3), np.uint8)
        pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = 255
        (home / "Manually_Annotated_Images" / "0").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(home / "Manually_Annotated_Images" / "0" / f"{row}.png")
    write_list(home / "training.csv", rows[:-2])
    write_list(home / "validation.csv", rows[-2:])
    return home


@pytest.mark.parametrize("stream", [True, False])
def test_pictures_are_cut_to_the_face_box(stream, tmp_path):
    inside = ["10,5,30,20", "0,0,60,40", "-6,-6,30,30", "45,25,20,20"]  # the last two stick out
    _boxed(tmp_path, inside * 6 + ["8,8,8,8", "9,9,9,9"])
    ds = load(tmp_path, stream=stream, image_size=16)
    assert (ds.store.fetch(np.arange(26)) == 255).all()
    assert (ds.store.converted((8, 12), 1).fetch(np.arange(26)) == 255).all()
    whole = load(tmp_path, stream=stream, image_size=16, crop=False)
    assert (whole.store.fetch(np.arange(4)).mean(axis=(1, 2, 3)) < [128, 256, 128, 128]).all()
    assert ds.source != whole.source


def test_a_box_is_left_top_width_height():
    pixels = np.arange(20 * 30 * 3, dtype=np.uint16).reshape(20, 30, 3)
    assert (stores.cut_box(pixels, (4, 2, 20, 10), "x.jpg") == pixels[2:12, 4:24]).all()
    assert (stores.cut_box(pixels, (-3, 12, 20, 10), "x.jpg") == pixels[12:, :17]).all()


def test_pictures_without_a_box_are_used_whole_and_counted(tmp_path):
    _boxed(tmp_path, ["10,5,30,20"] * 22 + ["-1,-1,-1,-1", ",,,", "8,8,8,8", "9,9,9,9"])
    ds = load(tmp_path, stream=True, image_size=16)
    assert "2 pictures have no face box and are used whole" in ds.notes
    assert ds.store.fetch(np.array([22, 23])).max() == 0


def test_a_box_that_misses_the_picture_is_refused(tmp_path):
    home = _boxed(tmp_path, ["10,5,30,20"] * 26)
    Image.new("RGB", (20, 14)).save(home / "Manually_Annotated_Images" / "0" / "3.png")  # a resized copy
    ds = load(tmp_path, stream=True, image_size=16)
    with pytest.raises(DataError, match=r"3.png: its face box \(x 10, y 5, 30×20\) is not on .* 20×14; .*crop=False"):
        ds.store.fetch(np.arange(5))


def test_lists_saved_on_windows_or_lying_deeper(tmp_path, faces):
    home = tmp_path / "affectnet"
    write_manifest(home, faces, codes=range(8))
    for name in ("training.csv", "validation.csv"):
        path = home / "Manually_Annotated_file_lists" / name
        text = path.read_text(encoding="utf-8").replace("/", "\\").replace("\n", "\r\n") + "\r\n"
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    (home / "Manually_Annotated").mkdir()
    (home / "Manually_Annotated_Images").rename(home / "Manually_Annotated" / "Manually_Annotated_Images")
    ds = load(tmp_path)
    assert len(ds.table) == 96
    assert ds.table["name"].str.startswith("Manually_Annotated/Manually_Annotated_Images/0/").sum() == 12
