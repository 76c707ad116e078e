"""FER+'s published lists of hard test images."""

import pytest

from fer_tf.common.checks import DataError
from fer_tf.data import check_dataset, load_dataset
from fer_tf.emotions import EMOTIONS, FERPLUS_COLUMNS

# Rows of the fixture that each list names: all test rows except 3, a training row. Listed labels are ours except for
# row 180.
LISTED = {"occlusion.csv": (180, 176, 209), "pose30.csv": (3, 176, 177, 178), "pose45.csv": (177,)}


def listed_label(row):
    """The label of a row as the published lists give it: a number in FER+'s own order."""
    return FERPLUS_COLUMNS.index("neutral" if row == 180 else EMOTIONS[row % 7])


@pytest.fixture
def lists(ferplus_root):
    """The folder of lists, as csv files."""
    folder = ferplus_root / "ferplus" / "lists"
    folder.mkdir()
    for name, rows in LISTED.items():
        (folder / name).write_text("row,label\n" + "".join(f"{row},{listed_label(row)}\n" for row in rows))
    return folder


def as_published(folder):
    """The same lists as the authors' text files, in the two forms they wrote them in."""
    names = {"occlusion.csv": "jianfei_occlusion_list.txt", "pose30.csv": "pose_30_ferplus_list.txt"}
    for name, rows in LISTED.items():
        (folder / name).unlink()
        form = "{}_fer{:07d}.png 8 2\n" if name == "occlusion.csv" else "{}/fer{:07d}.jpg\n"
        text = "".join(form.format(listed_label(row), row + 1000) for row in rows)
        (folder / names.get(name, "pose_45_ferplus_list.txt")).write_text(text)


def marked(ds, column):
    return sorted(ds.table["row"][ds.table[column]])


@pytest.mark.parametrize("published", [False, True])
def test_published_lists_become_columns(ferplus_root, lists, published):
    if published:
        as_published(lists)
    ds = load_dataset("ferplus", ferplus_root)
    for name, column in zip(LISTED, ("occluded", "pose30", "pose45"), strict=True):
        assert ds.table[column].dtype == bool
        assert marked(ds, column) == sorted(LISTED[name])
    notes = {note.split(":")[0]: note for note in ds.notes[1:]}
    assert "3 of the 3 rows in lists/" in notes["occluded"]
    assert notes["occluded"].endswith("among the 35 test images, 0 are not (label_mode majority); 1 have another label")
    assert "3 of the 4 rows in" in notes["pose30"]
    assert notes["pose30"].endswith("1 are not (label_mode majority); 0 have another label")
    assert "1 of the 1 rows in" in notes["pose45"]


def test_lists_change_neither_fingerprints_nor_source(ferplus_root, lists):
    with_lists = load_dataset("ferplus", ferplus_root)
    for path in lists.iterdir():
        path.unlink()
    without = load_dataset("ferplus", ferplus_root)
    assert not {"occluded", "pose30", "pose45"} & set(without.table)
    assert set(without.notes) < set(with_lists.notes)
    assert "lists/" not in " ".join(without.notes)
    for key in ("fingerprint", "test_fingerprint"):
        assert getattr(with_lists, key)() == getattr(without, key)()
    assert with_lists.source == without.source


def test_lists_under_six_emotions(ferplus_root, lists):
    ds = load_dataset("ferplus", ferplus_root, "six")
    emotion = [row for row in LISTED["pose30.csv"] if row % 7 < 6]
    assert marked(ds, "pose30") == emotion
    tested = len([row for row in emotion if row >= 175])
    assert f"pose30: {tested} of the 4 rows in lists/pose30.csv are among the {len(ds.test)} test images" in " ".join(
        ds.notes
    )


def test_a_listed_row_that_the_label_mode_leaves_out_is_counted(ferplus_root, lists):
    (lists / "pose45.csv").write_text("row,label\n1,0\n177,0\n")  # row 1 is tied between two emotions
    majority = load_dataset("ferplus", ferplus_root)
    assert marked(majority, "pose45") == [177]
    assert marked(load_dataset("ferplus", ferplus_root, label_mode="probability"), "pose45") == [1, 177]
    assert "pose45: 1 of the 2 rows in lists/pose45.csv" in " ".join(majority.notes)


def test_check_tells_which_lists_are_there(ferplus_root, lists):
    line = check_dataset("ferplus", ferplus_root)[1]
    assert line.endswith("lists: occlusion.csv (3 rows), pose30.csv (4 rows), pose45.csv (1 rows)")
    (lists / "pose30.csv").unlink()
    assert "pose45.csv (1 rows); no pose30.csv (" in check_dataset("ferplus", ferplus_root)[1]
    for path in lists.iterdir():
        path.unlink()
    assert "lists: no occlusion.csv, no pose30.csv, no pose45.csv (" in check_dataset("ferplus", ferplus_root)[1]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "occlusion.csv",
            "rows,label\n1,0\n",
            "occlusion.csv, line 1: has no column row; its columns must be row,label",
        ),
        ("pose30.csv", "", "pose30.csv, line 1: has no column row, label"),
        (
            "pose30.csv",
            "row,label\n5,1\n\n210,1\n",
            "pose30.csv, line 4: row must be a whole .* 0 to 209; received '210'",
        ),
        ("pose30.csv", "row,label\n-1,1\n", "pose30.csv, line 2: row must be a whole number"),
        ("pose45.csv", "row,label\n5,1\n6,happy\n", "pose45.csv, line 3: label must be .* 0 to 7; received 'happy'"),
        ("pose45.csv", "row,label\n5,8\n", "line 2: label must be a whole number from 0 to 7; received '8'"),
        ("pose45.csv", "row,label\n5\n", "pose45.csv, line 2: label must be a whole number .*received None"),
        ("pose45.csv", "row,label\n5,1\n6,1\n5,1\n", "pose45.csv, line 4: row 5 is listed twice"),
        (
            "pose_45_ferplus_list.txt",
            "1/fer0001005.jpg\n1/fer0009999.jpg\n",
            "line 2: must start with a label and an image",
        ),
        (
            "pose_45_ferplus_list.txt",
            "fer0001005.jpg\n",
            "line 1: must start with a label .* received 'fer0001005.jpg'",
        ),
        ("pose_45_ferplus_list.txt", "9/fer0001005.jpg\n", "line 1: label must be a whole number from 0 to 7"),
    ],
)
def test_broken_lists(ferplus_root, lists, name, text, message):
    for path in lists.glob("pose45*"):
        path.unlink()
    (lists / name).write_text(text)
    with pytest.raises(DataError, match=message) as error:
        load_dataset("ferplus", ferplus_root)
    assert str(lists / name) in str(error.value)


def test_a_list_that_is_no_text(ferplus_root, lists):
    (lists / "pose30.csv").write_bytes(b"row,label\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="pose30.csv: is not UTF-8 text"):
        load_dataset("ferplus", ferplus_root)
