"""FER+: a shifted join gives every face another's votes, so the join, the vote rules and the order are all pinned."""

import numpy as np
import pytest

from fer_tf.common.checks import DataError, InputError, MissingDataError
from fer_tf.data import check_dataset, load_dataset
from fer_tf.data.sets.ferplus import FOLDERS, vote_shares
from fer_tf.emotions import EMOTIONS, FERPLUS_COLUMNS

USAGES = ["Training"] * 140 + ["PublicTest"] * 35 + ["PrivateTest"] * 35
HEADER = "Usage,Image name," + ",".join(FERPLUS_COLUMNS)


def votes(**named):
    """Ten votes in FER+'s column order."""
    return [named.get(name, 0) for name in FERPLUS_COLUMNS]


@pytest.fixture
def root(fer2013_root, tmp_path):
    """fer2013, and FER+ in Microsoft's layout next to it: every picture has eight votes for FER2013's own label and two
    for another; rows 0, 1 and 2 are no face (unnamed), tied, and unknown."""
    data = tmp_path / "data dir"
    data.mkdir()
    (data / "fer2013").symlink_to(fer2013_root / "fer2013")
    (data / "ferplus").mkdir()
    lines, listed = [HEADER], {folder: [] for folder in FOLDERS}
    for row, usage in enumerate(USAGES):
        label = EMOTIONS[row % 7]
        counts = votes(**{label: 8, "contempt": 2})
        counts = {0: votes(NF=10), 1: votes(anger=5, fear=5), 2: votes(unknown=8, fear=2)}.get(row, counts)
        name = "" if row == 0 else f"fer{row + 1000:07d}.png"  # image names are not row numbers
        text = ",".join(map(str, counts))
        lines.append(f"{usage},{name},{text}")
        if name:
            listed[list(FOLDERS)[["Training", "PublicTest", "PrivateTest"].index(usage)]].append(
                f'{name},"(0, 0, 48, 48)",{text}'
            )
    (data / "ferplus" / "fer2013new.csv").write_text("\n".join(lines) + "\n")
    for folder, rows in listed.items():
        (data / "ferplus" / "data" / folder).mkdir(parents=True)
        (data / "ferplus" / "data" / folder / "label.csv").write_text("\n".join(rows[::-1]) + "\n")
    return data


@pytest.mark.parametrize("source", ["label", "new"])
def test_votes_meet_their_own_faces(root, source):
    ds, faces = load_dataset("ferplus", root, votes=source), load_dataset("fer2013", root)
    assert ds.class_names == EMOTIONS
    assert list(ds.table["row"]) == list(range(3, 210))
    np.testing.assert_array_equal(ds.table["label"], faces.table["label"][3:])
    np.testing.assert_array_equal(ds.store.array, faces.store.array[3:])
    assert (ds.table["split"].to_numpy() == faces.table["split"].to_numpy()[3:]).all()
    assert "3 of 210 rows left out" in ds.notes[0]


def test_soft_labels_are_the_votes(root):
    ds = load_dataset("ferplus", root, label_mode="probability")
    wanted = np.zeros(8)
    wanted[3], wanted[7] = 1, 0  # eight of ten cover three quarters: contempt's two are not needed
    np.testing.assert_allclose(ds.probabilities[ds.table["row"] == 3][0], wanted)
    np.testing.assert_allclose(ds.probabilities.sum(axis=1), 1)
    tied = ds.probabilities[ds.table["row"] == 1][0]
    assert tied[EMOTIONS.index("anger")] == tied[EMOTIONS.index("fear")] == 0.5


def test_six_classes_are_document_4s(root):
    six = load_dataset("ferplus", root, classes=6, size=64, channels=3)
    assert six.class_names == EMOTIONS[:6]
    assert six.image_shape == (64, 64, 3)
    assert len(six.table) == sum(row % 7 < 6 for row in range(3, 210))


@pytest.mark.parametrize(
    ("counts", "mode", "kept"),
    [
        (votes(anger=6, fear=4), "majority", {"anger": 6}),
        (votes(anger=5, fear=5), "majority", {}),  # half is not more than half
        (votes(anger=4, fear=1, sadness=1, surprise=1, neutral=1, disgust=1, happiness=1), "majority", {"anger": 4}),
        (votes(unknown=6, fear=4), "majority", {}),
        (votes(anger=5, fear=3, sadness=2), "probability", {"anger": 5, "fear": 3}),
        (votes(anger=4, fear=3, sadness=3), "probability", {"anger": 4, "fear": 3, "sadness": 3}),
        (votes(anger=3, fear=3, sadness=2, disgust=2), "probability", {}),  # four would be needed
        (votes(anger=6, unknown=4), "probability", {"anger": 6}),
        (votes(anger=5, unknown=5), "probability", {}),
        (votes(unknown=6, anger=4), "crossentropy", {}),
        (votes(anger=4, fear=3, sadness=3), "multitarget", {"anger": 4, "fear": 3, "sadness": 3}),
        (votes(anger=6, fear=2, sadness=2), "multitarget", {"anger": 6}),
        (votes(anger=4, fear=2, sadness=2, disgust=2), "multitarget", {}),
    ],
)
def test_rules_of_each_label_mode(counts, mode, kept):
    shares = vote_shares(np.array([counts]), mode)[0]
    assert {name: int(share) for name, share in zip(FERPLUS_COLUMNS, shares, strict=False) if share} == kept


def test_missing_files_say_what_and_where(root):
    (root / "ferplus" / "data" / "FER2013Valid" / "label.csv").unlink()
    with pytest.raises(
        MissingDataError, match=r"data/FER2013Valid/label.csv not in .*data dir/ferplus.*github.com/microsoft"
    ):
        load_dataset("ferplus", root)
    (root / "fer2013").unlink()
    with pytest.raises(MissingDataError, match="fer2013: none of"):
        load_dataset("ferplus", root, votes="new")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Training,fer0001005.png", "Train,fer0001005.png", "unknown Usage 'Train'; allowed are Training"),
        ("PublicTest", "Training", "row 140 is train in .*ferplus, val in fer2013 next to it"),
        (",NF\n", ",none\n", "has no column NF"),
        ("fer0001005.png,0,", "fer0001005.png,x,", "data row 6: votes must be whole numbers"),
        ("fer0001005.png,0,", "fer0001005.png,1e300,", "data row 6: votes must be whole numbers"),
    ],
)
def test_broken_votes(root, old, new, message):
    path = root / "ferplus" / "fer2013new.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        load_dataset("ferplus", root, votes="new")


def test_votes_for_another_number_of_rows(root):
    path = root / "ferplus" / "fer2013new.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match="has votes for 209 rows, the folder fer2013 next to it has 210"):
        load_dataset("ferplus", root, votes="new")


def test_wrong_options():
    with pytest.raises(InputError, match="label_mode: allowed are majority, probability"):
        load_dataset("ferplus", label_mode="mean")


# Rows of the fixture that each list names: all test rows except 3, a training row. Listed labels are ours except for
# row 180.
LISTED = {"occlusion.csv": (180, 176, 209), "pose30.csv": (3, 176, 177, 178), "pose45.csv": (177,)}


def listed_label(row):
    """The label of a row as the published lists give it: a number in FER+'s own order."""
    return FERPLUS_COLUMNS.index("neutral" if row == 180 else EMOTIONS[row % 7])


@pytest.fixture
def lists(root):
    """The folder of lists, as csv files."""
    folder = root / "ferplus" / "lists"
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
def test_published_lists_become_columns(root, lists, published):
    if published:
        as_published(lists)
    ds = load_dataset("ferplus", root)
    for name, column in zip(LISTED, ("occluded", "pose30", "pose45"), strict=True):
        assert ds.table[column].dtype == bool
        assert marked(ds, column) == sorted(LISTED[name])
    notes = {note.split(":")[0]: note for note in ds.notes[1:]}
    assert "3 of the 3 rows in lists/" in notes["occluded"]
    assert notes["occluded"].endswith("among the 35 test images, 0 are not (label_mode majority); 1 have another label")
    assert "3 of the 4 rows in" in notes["pose30"]
    assert notes["pose30"].endswith("1 are not (label_mode majority); 0 have another label")
    assert "1 of the 1 rows in" in notes["pose45"]


def test_lists_change_neither_fingerprints_nor_source(root, lists):
    with_lists = load_dataset("ferplus", root)
    for path in lists.iterdir():
        path.unlink()
    without = load_dataset("ferplus", root)
    assert not {"occluded", "pose30", "pose45"} & set(without.table)
    assert set(without.notes) < set(with_lists.notes)
    assert "lists/" not in " ".join(without.notes)
    for key in ("fingerprint", "test_fingerprint"):
        assert getattr(with_lists, key)() == getattr(without, key)()
    assert with_lists.source == without.source


def test_lists_under_six_emotions(root, lists):
    ds = load_dataset("ferplus", root, "six")
    emotion = [row for row in LISTED["pose30.csv"] if row % 7 < 6]
    assert marked(ds, "pose30") == emotion
    tested = len([row for row in emotion if row >= 175])
    assert f"pose30: {tested} of the 4 rows in lists/pose30.csv are among the {len(ds.test)} test images" in " ".join(
        ds.notes
    )


def test_a_listed_row_that_the_label_mode_leaves_out_is_counted(root, lists):
    (lists / "pose45.csv").write_text("row,label\n1,0\n177,0\n")  # row 1 is tied between two emotions
    majority = load_dataset("ferplus", root)
    assert marked(majority, "pose45") == [177]
    assert marked(load_dataset("ferplus", root, label_mode="probability"), "pose45") == [1, 177]
    assert "pose45: 1 of the 2 rows in lists/pose45.csv" in " ".join(majority.notes)


def test_check_tells_which_lists_are_there(root, lists):
    line = check_dataset("ferplus", root)[1]
    assert line.endswith("lists: occlusion.csv (3 rows), pose30.csv (4 rows), pose45.csv (1 rows)")
    (lists / "pose30.csv").unlink()
    assert "pose45.csv (1 rows); no pose30.csv (" in check_dataset("ferplus", root)[1]
    for path in lists.iterdir():
        path.unlink()
    assert "lists: no occlusion.csv, no pose30.csv, no pose45.csv (" in check_dataset("ferplus", root)[1]


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
def test_broken_lists(root, lists, name, text, message):
    for path in lists.glob("pose45*"):
        path.unlink()
    (lists / name).write_text(text)
    with pytest.raises(DataError, match=message) as error:
        load_dataset("ferplus", root)
    assert str(lists / name) in str(error.value)


def test_a_list_that_is_no_text(root, lists):
    (lists / "pose30.csv").write_bytes(b"row,label\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="pose30.csv: is not UTF-8 text"):
        load_dataset("ferplus", root)
